//! What one can do with a queue, as facts about the use cases, each on every store.
//!
//! A case is a function over a [`Desk`], listed in [`usecases_suite!`] and stamped into every store, so each case on each
//! store is a test of its own: `usecases::sqlite::claims::priority_goes_before_age`. After every case each task must
//! keep the rules of its life and each derived value must follow from the rest ([`Desk::check`]). [`random`] runs the
//! same random requests on the reference store and on the other, and compares them after each step.

mod claims;
pub(crate) mod desk;
mod endings;
mod graph;
mod history;
mod lanes;
mod looks;
mod moving;
mod operations;
mod persons;
mod processes;
mod proofs;
mod questions;
mod races;
mod random;
mod tree;
mod trust;

use self::desk::Desk;
use crate::contract::harness::Harness;

fn run<H: Harness + 'static>(case: fn(&Desk)) {
    let desk = Desk::fresh::<H>();
    case(&desk);
    desk.close();
}

macro_rules! usecases_suite {
    ($store:ident, $harness:ident) => {
        usecases_suite! { @stamp $store, $harness,
            tree {
                a_fresh_id_tells_its_kind,
                defaults_are_as_they_always_were,
                three_tasks_come_back_by_priority,
                removing_an_epic_removes_all_below_it,
                parents_follow_their_tasks_there_and_back,
                a_new_task_reopens_its_parents,
                moving_the_last_open_task_away_completes_the_feature,
                removing_the_last_open_task_completes_the_feature,
                a_given_id_is_kept_and_refused_twice,
                a_task_without_a_feature_goes_to_the_inbox,
                tasks_of_one_batch_wait_for_each_other_in_any_order,
                a_batch_with_a_cycle_adds_nothing,
                a_batch_with_one_bad_task_adds_nothing,
                only_a_parent_without_children_takes_a_status,
                a_feature_moves_between_epics,
            }
            lanes {
                a_lane_is_the_tasks_of_one_priority,
                a_task_added_to_a_lane_stays_in_the_feature,
                a_claim_drains_one_lane,
                a_real_feature_with_such_an_id_wins,
                a_typo_creates_nothing,
                a_missing_feature_is_made_when_asked_for,
                a_missing_feature_is_not_mistaken_for_a_longer_one,
                a_priority_that_is_not_the_lanes_is_refused,
                a_task_moves_into_a_lane,
            }
            claims {
                priority_goes_before_age,
                each_scope_is_drained_alone,
                a_named_task_is_claimed_or_refused,
                several_are_claimed_in_one_step,
                a_thousand_are_claimed_in_one_step,
                nothing_ready_says_what_waits_and_why,
                a_lost_lease_is_taken_back_by_any_claim,
                three_lost_in_a_row_are_poison,
                a_stale_token_changes_nothing_but_the_late_message,
                time_alone_refuses_nothing,
                no_two_claims_share_a_token,
                a_claim_tells_what_the_last_attempt_left,
                a_heartbeat_extends_and_never_shortens,
                a_lease_of_no_time_is_refused,
                a_checkpoint_needs_the_open_attempt,
                a_person_looks_at_the_next_task_that_a_claim_would_get,
            }
            endings {
                a_completion_needs_its_tests,
                a_manual_check_gates_only_if_required,
                a_task_without_tests_completes_unproven,
                a_queue_may_require_tests,
                a_person_completes_what_nobody_holds,
                a_person_overrides_with_a_reason,
                a_worker_may_not_force,
                completing_twice_is_a_conflict,
                completing_and_claiming_the_next_is_one_step,
                many_are_completed_in_one_step_or_none,
                a_failure_waits_for_its_backoff,
                a_spent_budget_blocks,
                a_budget_of_nothing_allows_one_try,
                a_permanent_failure_blocks_at_once,
                a_release_charges_nothing,
                a_release_until_a_time_waits_for_it,
                a_result_stays_with_the_attempt,
            }
            persons {
                a_block_needs_a_reason_to_go_and_a_person_to_lift_it,
                a_holder_blocks_its_own_task,
                what_is_claimed_needs_force,
                a_retry_ends_the_wait,
                a_retry_may_keep_the_count,
                a_reopened_task_begins_anew,
                a_cancel_is_seen_at_the_next_heartbeat,
                a_cancel_of_what_nobody_holds_blocks_it,
                a_hold_keeps_back_what_is_under_it,
                a_hold_lets_what_runs_finish,
                a_hold_that_stops_gives_everything_back,
                a_second_hold_replaces_the_first,
                a_status_word_goes_the_way_that_leads_there,
                a_task_held_by_hand_is_ended_by_reopen,
            }
            graph {
                a_dependency_holds_a_task_back_until_it_is_completed,
                a_cycle_is_refused_with_its_path,
                a_completed_or_claimed_task_keeps_its_dependencies,
                a_long_chain_is_no_trouble,
                an_undepend_of_what_is_not_there_is_not_found,
                removing_what_is_claimed_or_waited_for_needs_force,
                a_task_moves_with_its_rollup,
                an_edit_of_the_budget_keeps_its_rules,
                an_edit_changes_what_was_asked_for_alone,
            }
            processes {
                the_end_of_a_process_loses_its_claim_at_once,
                an_id_that_is_used_again_is_another_process,
                from_another_place_the_lease_alone_decides,
                a_lease_runs_out_though_the_process_lives,
                a_gone_process_whose_lease_ran_out_is_lost_once,
                who_claims_the_next_stays_the_same_process,
                a_process_that_is_not_there_cannot_claim,
                a_repeated_claim_is_answered_though_its_process_is_gone,
            }
            proofs {
                a_failing_result_reopens_a_completed_task,
                a_reopened_task_has_its_tests_to_pass_again,
                a_task_that_reopens_resets_its_features_tests,
                a_task_added_to_a_completed_feature_resets_its_tests,
                a_feature_waits_for_its_own_tests,
                a_new_command_has_to_pass_anew,
                a_command_passed_by_word_is_an_override,
                a_worker_may_not_touch_its_own_proof,
            }
            questions {
                a_question_blocks_its_task_and_ends_the_attempt,
                an_answer_goes_to_the_next_attempt,
                a_choice_is_named_by_text_or_number,
                a_stale_holder_asks_nothing,
                who_goes_on_without_the_answer_closes_the_question,
                an_answer_needs_a_question_and_a_person,
                questions_move_with_the_queue,
            }
            trust {
                a_command_runs_once_it_is_trusted,
                every_command_is_listed_once_with_its_tests,
                a_worker_does_not_decide_what_is_trusted,
            }
            history {
                each_change_has_one_event_and_each_rolled_up_parent_its_own,
                event_numbers_rise,
                time_never_runs_back_within_an_item,
            }
            operations {
                every_request_is_carried_out_once,
                a_claim_tells_of_its_own_attempt,
                another_request_under_the_same_id_is_a_conflict,
                a_refusal_is_not_kept,
                kept_answers_are_small,
                a_repeated_claim_gives_the_same_tokens,
                a_repeated_reap_tells_what_it_took_back,
            }
            moving {
                an_export_closes_open_attempts_and_changes_nothing,
                a_copy_is_equal_but_for_open_attempts,
                a_copy_into_what_is_not_empty_is_refused,
            }
            looks {
                why_names_every_reason,
                progress_counts_every_part,
                a_tree_shows_everything_once,
                an_id_is_found_as_it_is_typed,
                an_id_may_begin_with_the_word_of_a_kind,
                a_list_filters_sorts_and_pages,
                details_tell_the_whole_story,
            }
            races {
                eight_threads_complete_each_task_once,
            }
            random {
                random_requests_mean_the_same_as_on_the_reference,
            }
        }
    };
    (@stamp $store:ident, $harness:ident, $($subject:ident { $($case:ident),+ $(,)? })+) => {
        mod $store {
            $(mod $subject {
                $(
                    #[test]
                    fn $case() {
                        crate::usecases::run::<crate::contract::stores::$harness>(
                            crate::usecases::$subject::$case,
                        );
                    }
                )+
            })+
        }
    };
}

usecases_suite!(memory, MemoryHarness);
usecases_suite!(sqlite, SqliteHarness);
usecases_suite!(json, JsonHarness);
