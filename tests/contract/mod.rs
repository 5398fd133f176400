//! The law of stores: what every adapter of the storage port must do, and all must do alike.
//!
//! A case is declared once, as a function over a [`Bench`], listed in [`contract_suite!`], and stamped into every
//! store, so each case on each store is a test of its own: `contract::sqlite::rollup::a_hold_blocks_the_parents`.
//! Every case begins with an empty store and a standing clock, and ends by opening the store once more and deriving
//! everything afresh from what it holds ([`consistent`]). [`random`] runs the same random commands on the reference
//! store and on the adapter and compares all they say after each step.
//!
//! The cases speak to the port alone. What use cases make of a store on top of it is tried elsewhere, with the same
//! harnesses.
//!
//! - One store, one subject: `cargo test -p tasq-tests contract::sqlite::lists`.
//! - `TASQ_TEST_SEED=…` repeats one random run; `TASQ_TEST_FULL=1` makes many more.
//!
//! A new adapter adds a [`Harness`] in [`stores`] and one line at the end of this file. A new case is a function and
//! a name in the list; the compiler warns of a case that is in no list.

mod answers;
pub(crate) mod consistent;
mod contents;
mod events;
pub(crate) mod harness;
mod lists;
pub(crate) mod make;
mod questions;
mod races;
pub(crate) mod random;
mod ready;
mod refusals;
mod removal;
mod rollup;
mod round_trip;
mod search;
pub(crate) mod stores;
mod units;

use tasq_domain::{Contents, Settings};
use tasq_ports::{Store, StoreError, StoreExt, Tx};

use self::harness::{Harness, TestClock, settings};
use self::make::{Item, at, put};

/// One store under test, its clock, and the way to open it again.
pub(crate) struct Bench {
    pub(crate) clock: TestClock,
    pub(crate) store: Box<dyn Store>,
    pub(crate) harness: Box<dyn Harness>,
}

impl Bench {
    pub(crate) fn fresh<H: Harness + 'static>() -> Self {
        Self::with::<H>(&settings())
    }

    pub(crate) fn with<H: Harness + 'static>(settings: &Settings) -> Self {
        let clock = TestClock::at(at(0));
        let harness: Box<dyn Harness> = Box::new(H::fresh(settings, &clock));
        Self {
            clock,
            store: harness.open(),
            harness,
        }
    }

    /// A write unit that must succeed.
    #[track_caller]
    pub(crate) fn write<T>(&self, body: impl FnMut(&mut dyn Tx) -> Result<T, StoreError>) -> T {
        match self.store.write(body) {
            Ok(value) => value,
            Err(error) => panic!("a write failed: {error}"),
        }
    }

    /// A read unit that must succeed.
    #[track_caller]
    pub(crate) fn read<T>(&self, body: impl FnMut(&mut dyn Tx) -> Result<T, StoreError>) -> T {
        match self.store.read(body) {
            Ok(value) => value,
            Err(error) => panic!("a read failed: {error}"),
        }
    }

    /// Inserts one item, in a unit of its own.
    #[track_caller]
    pub(crate) fn put(&self, item: &impl Item) -> i64 {
        self.write(|tx| put(tx, item))
    }

    /// What an opener sees that has never seen the store before.
    #[track_caller]
    pub(crate) fn contents(&self) -> Contents {
        match self.harness.open().read(|tx| tx.contents()) {
            Ok(contents) => contents,
            Err(error) => panic!("a second opener cannot read: {error}"),
        }
    }

    #[track_caller]
    pub(crate) fn assert_consistent(&self) {
        consistent::assert_consistent(self.store.as_ref());
        consistent::assert_consistent(self.harness.open().as_ref());
    }

    /// The store must be whole, and the same for whoever opens it next.
    #[track_caller]
    pub(crate) fn close(self) {
        let before = self.read(|tx| tx.contents());
        self.assert_consistent();
        let Self {
            store,
            harness,
            clock: _,
        } = self;
        drop(store);
        let after = harness.open().read(|tx| tx.contents()).unwrap();
        random::assert_same_contents(&before, &after, "after it was closed and opened again");
    }
}

fn run<H: Harness + 'static>(case: fn(&Bench)) {
    let bench = Bench::fresh::<H>();
    case(&bench);
    bench.close();
}

/// Whether the long runs were asked for.
pub(crate) fn full() -> bool {
    std::env::var_os("TASQ_TEST_FULL").is_some_and(|value| value == "1")
}

macro_rules! contract_suite {
    ($store:ident, $harness:ty) => {
        contract_suite! { @stamp $store, $harness,
            round_trip {
                an_epic_comes_back_with_every_field,
                a_feature_comes_back_with_every_field,
                a_task_comes_back_with_every_field,
                a_task_comes_back_after_every_step_of_its_life,
                a_test_comes_back_with_every_field,
                an_attempt_comes_back_with_every_field,
                a_checkpoint_comes_back_with_every_field,
                an_event_comes_back_with_every_field,
                an_operation_comes_back_with_every_field,
                settings_come_back_with_every_field,
                metadata_keeps_its_order_and_spelling,
            }
            answers {
                a_seq_counts_from_one_for_each_kind,
                a_given_seq_is_kept_and_counting_goes_on_after_it,
                a_given_seq_that_is_in_use_is_refused,
                a_taken_id_is_reported_and_nothing_is_inserted,
                an_id_is_taken_only_within_its_kind_and_its_case,
                an_item_without_its_parent_is_refused,
                what_is_missing_is_none_or_empty,
                updating_what_is_missing_is_refused,
                removing_what_is_missing_is_refused,
                an_update_keeps_seq_id_and_creation,
                the_end_of_an_attempt_changes_nothing_else_of_it,
                a_feature_stands_as_it_will_when_the_unit_ends,
                an_update_keeps_the_time_it_was_given,
                a_derived_status_is_not_the_callers_to_write,
                a_dependency_is_inserted_and_removed_once,
                a_dependency_needs_both_its_tasks,
                an_attempt_has_its_number_alone,
                tests_are_listed_by_pages,
            }
            questions {
                a_question_comes_back_with_every_field,
                the_unanswered_come_by_when_they_were_asked,
                an_update_replaces_the_answer_alone,
                a_question_has_its_attempt_alone,
                a_question_goes_with_its_task,
            }
            units {
                an_error_in_the_body_undoes_everything,
                a_rollback_undoes_everything,
                a_foreign_error_passes_through_and_undoes_everything,
                a_panic_in_the_body_undoes_everything,
                every_write_in_a_read_unit_is_refused,
                a_unit_has_one_instant,
                a_unit_reads_what_it_wrote,
                nothing_is_visible_before_the_commit,
                a_read_unit_sees_one_state,
                an_opener_sees_what_another_committed,
            }
            ready {
                nothing_is_ready_in_an_empty_store,
                priority_goes_first_then_creation,
                what_was_foreseen_is_as_it_is,
                what_was_foreseen_changes_with_what_the_unit_does,
                what_was_handed_out_may_have_gone_and_come_back,
                a_task_without_priority_has_its_features,
                a_change_of_priority_changes_the_order,
                each_scope_hands_out_its_own,
                a_scope_that_is_not_there_has_nothing,
                a_task_waits_until_its_time_has_come,
                a_clock_that_runs_back_makes_a_task_wait_again,
                a_hold_on_task_feature_or_epic_keeps_it_back,
                an_open_dependency_keeps_it_back,
                a_reopened_or_removed_prerequisite_counts_at_once,
                a_task_that_moves_takes_its_new_feature,
                what_is_around_a_ready_task_is_found_with_it,
                a_task_is_there_or_not,
                only_pending_tasks_are_ready,
                leases_expire_in_their_order,
                processes_are_told_by_their_place,
                what_a_claim_looks_at_first_follows_each_write,
            }
            lists {
                every_filter_holds,
                words_match_as_the_description_says,
                every_sort_has_its_order,
                pages_of_every_size_give_the_whole_list,
                a_page_goes_on_after_an_item_that_has_gone,
                the_last_page_has_no_next,
                what_listed_tasks_wait_for_is_told_in_the_same_unit,
            }
            rollup {
                a_parent_follows_each_status_of_its_child,
                every_mix_of_children_gives_the_parents_status,
                an_insertion_reopens_completed_parents,
                a_removal_rolls_up,
                the_last_childs_removal_leaves_the_own_status,
                a_task_that_moves_rolls_up_both_features,
                a_feature_that_moves_rolls_up_both_epics,
                a_hold_blocks_the_parents,
                a_gate_keeps_a_feature_open,
                a_gate_opens_and_closes_with_its_definition,
                own_status_stands_while_there_are_no_children,
                a_parent_takes_the_writers_time,
                a_parent_changed_later_keeps_its_time,
                a_removal_gives_the_parents_its_own_instant,
                a_parent_whose_status_stays_keeps_its_time,
                every_change_in_one_unit_is_derived_at_once,
            }
            removal {
                an_epic_takes_all_below_it,
                a_feature_takes_all_below_it,
                a_task_takes_all_below_it,
                a_test_goes_alone,
                events_and_operations_outlive_what_they_tell_of,
            }
            events {
                numbers_rise_and_are_answered,
                events_of_one_unit_keep_their_order_however_many_there_are,
                what_a_unit_appended_it_reads,
                a_number_in_an_undone_unit_is_not_seen,
                every_filter_of_events_holds,
                events_of_an_item_are_found_among_many,
                every_kind_of_event_comes_back,
                operations_are_kept_up_to_a_number,
                a_known_operation_id_is_refused,
            }
            search {
                a_prefix_finds_ids_in_any_case,
                a_wildcard_in_a_prefix_is_only_a_character,
                letters_beyond_ascii_match_as_they_are,
                the_exact_id_is_found_whatever_the_limit,
                each_kind_is_searched_alone,
            }
            contents {
                contents_load_into_every_kind_of_store,
                contents_of_an_empty_store_load,
                batches_of_tasks_stay_as_they_were_read,
                loading_derives_afresh,
                loading_into_a_store_that_is_not_empty_is_refused,
                counting_goes_on_after_loading,
            }
            races {
                two_finishers_complete_their_parents,
                sixteen_openers_claim_each_task_once,
                sixteen_openers_count_every_event,
                threads_that_share_an_opener_take_turns,
            }
            refusals {
                a_store_says_what_it_is,
                a_newer_format_is_refused_untouched,
                what_is_no_store_is_refused_untouched,
                a_missing_store_is_not_made_by_opening,
                a_store_is_not_made_over_another,
            }
            random {
                random_commands_mean_the_same_as_on_the_reference,
            }
        }
    };
    (@stamp $store:ident, $harness:ty, $($subject:ident { $($case:ident),+ $(,)? })+) => {
        mod $store {
            $(mod $subject {
                $(
                    #[test]
                    fn $case() {
                        crate::contract::run::<$harness>(crate::contract::$subject::$case);
                    }
                )+
            })+
        }
    };
}

contract_suite!(memory, crate::contract::stores::MemoryHarness);
contract_suite!(sqlite, crate::contract::stores::SqliteHarness);
contract_suite!(json, crate::contract::stores::JsonHarness);
