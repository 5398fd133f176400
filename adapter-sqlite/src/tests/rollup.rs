//! The triggers' rollup against the rule, in every combination of what it looks at, by our writes and by plain SQL.

use tasq_domain::rollup::roll_up;
use tasq_domain::{Present, Status, TestOwner, TestStatus};
use tasq_ports::{StoreError, StoreExt};

use super::{Fixture, at, epic, feature, hold, task, test_case};

struct Case {
    bits: usize,
    gate_open: bool,
    on_hold: bool,
    own: Status,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for bits in 0..16 {
            for flags in 0..4 {
                all.extend(Status::ALL.iter().map(|&own| Self {
                    bits,
                    gate_open: flags & 1 != 0,
                    on_hold: flags & 2 != 0,
                    own,
                }));
            }
        }
        all
    }

    fn children(&self) -> impl Iterator<Item = Status> {
        let bits = self.bits;
        Status::ALL
            .iter()
            .enumerate()
            .filter(move |(bit, _)| bits & (1 << bit) != 0)
            .map(|(_, &status)| status)
    }

    fn expected(&self, gates: bool) -> Status {
        let mut present = Present::default();
        for status in self.children() {
            match status {
                Status::Pending => present.pending = true,
                Status::InProgress => present.in_progress = true,
                Status::Completed => present.completed = true,
                Status::Blocked => present.blocked = true,
            }
        }
        roll_up(present, gates && self.gate_open, self.on_hold).unwrap_or(self.own)
    }

    fn name(&self) -> String {
        let Self {
            bits,
            gate_open,
            on_hold,
            own,
        } = self;
        format!("{bits}-{gate_open}-{on_hold}-{own}")
    }
}

#[test]
fn a_feature_rolls_up_as_the_rule_says_by_our_writes() {
    let fixture = Fixture::new();
    fixture
        .store
        .write(|tx| {
            for case in Case::all() {
                let name = case.name();
                let mut parent = feature(&name, None);
                parent.own_status = case.own;
                let _ = tx.insert_feature(&parent)?;
                if case.gate_open {
                    let owner = TestOwner::Feature(parent.id.clone());
                    let _ = tx.insert_test(&test_case(&name, owner, TestStatus::Failing))?;
                }
                for status in case.children() {
                    let id = format!("{name}-{status}");
                    let _ = tx.insert_task(&task(&id, &name))?;
                    let mut child = task(&id, &name);
                    child.status = status;
                    child.updated_at = at(50);
                    tx.update_task_life(&child)?;
                }
                if case.on_hold {
                    parent.hold = Some(hold(60));
                    tx.update_feature(&parent)?;
                }
                let found = tx.feature(&parent.id)?.unwrap();
                assert_eq!(found.status, case.expected(true), "{name}");
                assert_eq!(found.own_status, case.own, "{name}");
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn an_epic_rolls_up_as_the_rule_says_by_our_writes() {
    let fixture = Fixture::new();
    fixture
        .store
        .write(|tx| {
            for case in Case::all() {
                let name = case.name();
                let mut parent = epic(&name);
                parent.own_status = case.own;
                let _ = tx.insert_epic(&parent)?;
                for status in case.children() {
                    let id = format!("{name}-{status}");
                    let mut child = feature(&id, Some(&name));
                    let _ = tx.insert_feature(&child)?;
                    child.own_status = status;
                    tx.update_feature(&child)?;
                }
                if case.on_hold {
                    parent.hold = Some(hold(60));
                    tx.update_epic(&parent)?;
                }
                let found = tx.epic(&parent.id)?.unwrap();
                assert_eq!(found.status, case.expected(false), "{name}");
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

/// Makes one parent for each case, step by step, by plain SQL in an old SQLite.
const PLAIN: &str = "
STATUSES = ['pending', 'in_progress', 'completed', 'blocked']
db.execute('BEGIN')
for bits in range(16):
    for gate in ('false', 'true'):
        for held in ('false', 'true'):
            for own in STATUSES:
                name = f'{bits}-{gate}-{held}-{own}'
                db.execute('INSERT INTO features (id, name) VALUES (?, ?)', (name, name))
                db.execute('INSERT INTO epics (id, name) VALUES (?, ?)', (name, name))
                db.execute('UPDATE features SET status = ? WHERE id = ?', (own, name))
                db.execute('UPDATE epics SET status = ? WHERE id = ?', (own, name))
                if gate == 'true':
                    db.execute('INSERT INTO test_cases (id, feature_id, description, command) VALUES (?, ?, ?, ?)',
                               (name, name, 'd', 'false'))
                for bit, status in enumerate(STATUSES):
                    if bits & (1 << bit):
                        child = f'{name}-{status}'
                        db.execute('INSERT INTO tasks (id, feature_id, description) VALUES (?, ?, ?)',
                                   (child, name, 'd'))
                        db.execute('UPDATE tasks SET status = ? WHERE id = ?', (status, child))
                        db.execute('INSERT INTO features (id, epic_id, name, status) VALUES (?, ?, ?, ?)',
                                   (child, name, 'n', status))
                if held == 'true':
                    for table in ('features', 'epics'):
                        db.execute(f\"UPDATE {table} SET hold_by = 'a', hold_reason = 'b', hold_at = 1 WHERE id = ?\",
                                   (name,))
                # Nobody but the children and the hold decides, once there are any.
                if bits or held == 'true':
                    for table in ('features', 'epics'):
                        for status in STATUSES:
                            db.execute(f'UPDATE {table} SET status = ? WHERE id = ?', (status, name))
                found = db.execute('SELECT status FROM features WHERE id = ?', (name,)).fetchone()[0]
                epic = db.execute('SELECT status FROM epics WHERE id = ?', (name,)).fetchone()[0]
                print(name, found, epic)
db.execute('COMMIT')
";

#[test]
fn parents_roll_up_as_the_rule_says_by_plain_sql() {
    let fixture = Fixture::new();
    let printed = fixture.python(PLAIN);
    let expected: Vec<String> = Case::all()
        .iter()
        .map(|case| {
            let (feature, epic) = (case.expected(true), case.expected(false));
            format!("{} {feature} {epic}", case.name())
        })
        .collect();
    let mut printed: Vec<&str> = printed.lines().collect();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    printed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(printed, expected);
}
