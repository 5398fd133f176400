//! Which commands of test cases may run.

use std::io::{self, BufRead as _, IsTerminal as _};

use tasq_app::{App, Code, TestCommand};
use tasq_domain::CommandLine;
use tasq_formats::json::WrittenObject;
use tasq_ports::Store;

use crate::args::trust::Trust;
use crate::discover::Place;
use crate::failure::Failure;
use crate::output::{Text, View as _};
use crate::session::{IDS, Queue, Session};
use crate::trust::StateTrust;
use crate::view::{TrustChange, TrustView, Waiting};

pub(super) fn trust(session: &mut Session, args: Trust) -> Result<u8, Failure> {
    let queue = session.open()?;
    let app = queue.app();
    if args.revoke {
        let change = TrustChange::Revoked(app.revoke_trust()?);
        return answer(session, &queue, change);
    }
    if args.list {
        return answer(session, &queue, TrustChange::None);
    }
    let waiting: Vec<TestCommand> = app
        .test_commands()?
        .into_iter()
        .filter(|command| !command.trusted)
        .collect();
    if !waiting.is_empty() && !args.yes {
        ask(session, &waiting)?;
    }
    // What came in between was not shown, so it is not meant.
    let shown: Vec<CommandLine> = waiting.into_iter().map(|it| it.command).collect();
    app.trust(&shown)?;
    answer(session, &queue, TrustChange::Trusted(shown.len() as u64))
}

fn answer(session: &mut Session, queue: &Queue, change: TrustChange) -> Result<u8, Failure> {
    session.out.answer(&TrustView {
        store: queue.place().url(),
        change,
        commands: queue.app().test_commands()?,
    })?;
    Ok(0)
}

/// Shows the commands to the person at the terminal and waits for a yes.
fn ask(session: &mut Session, waiting: &[TestCommand]) -> Result<(), Failure> {
    let list = waiting.iter().map(|it| it.command.as_str());
    let details = WrittenObject::new().with_list("commands", list);
    let refused = |message: &str, hint: &str| {
        Failure::new(Code::Denied, message)
            .with_hint(hint)
            .with_details(details.clone())
    };
    if session.out.is_json() || !io::stdin().is_terminal() {
        if !session.out.is_json() {
            session.out.answer(&Waiting(waiting))?;
        }
        return Err(refused(
            "nobody is here to say whether these commands may run",
            "look at them, then repeat it with --yes",
        ));
    }
    let mut text = Text::new(session.out.err_style());
    Waiting(waiting).text(&mut text);
    let count = waiting.len();
    text.push(&format!(
        "Let {} run in your account? [y/N] ",
        if count == 1 {
            "this command".to_owned()
        } else {
            format!("these {count} commands")
        }
    ));
    session.out.question(&text.finish());
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::io("cannot read the answer", &error))?;
    if matches!(line.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(refused(
        "nothing was trusted",
        "change or remove what you do not want to run: `tasq test edit ID --command CMD`",
    ))
}

/// The commands of a queue that may run.
pub(super) fn trusted_in(queue: &Queue) -> Result<Vec<CommandLine>, Failure> {
    let commands = queue.app().test_commands()?.into_iter();
    Ok(commands
        .filter(|command| command.trusted)
        .map(|command| command.command)
        .collect())
}

/// Lets run in the copy of a queue what may run in the queue. The copy is there by now, so a failure is a warning.
pub(super) fn carry_over(
    session: &mut Session,
    from: &Queue,
    trusted: &[CommandLine],
    store: &dyn Store,
    to: &Place,
) {
    let there = StateTrust::of(to.path());
    let app = App::new(store, &IDS, from.caller.clone()).with_trust(&there);
    if let Err(error) = app.trust_typed(trusted) {
        session
            .out
            .warn(format!("{error}; let them run with `tasq trust`"));
    }
}
