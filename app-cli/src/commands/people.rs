//! Questions of workers, and the answers of people.

use tasq_app::{AppError, Reply};
use tasq_domain::life::Ask;
use tasq_domain::{Name, Reason};

use crate::args::people;
use crate::args::shared::Held;
use crate::failure::Failure;
use crate::input;
use crate::session::Session;
use crate::view::{AskedView, Inbox};

pub(super) fn ask(session: &mut Session, args: people::Ask) -> Result<u8, Failure> {
    let queue = session.open()?;
    let holder = queue.holder(&Held {
        task: args.task,
        token: args.token,
    })?;
    let choices = args.choice.into_iter().map(Name::new);
    let ask = Ask {
        text: reason(args.text)?,
        choices: choices.collect::<Result<_, _>>().map_err(AppError::from)?,
    };
    let asked = queue.change(args.change).ask(&holder, &ask)?;
    session.out.answer(&AskedView(asked))?;
    Ok(0)
}

pub(super) fn inbox(session: &mut Session) -> Result<u8, Failure> {
    let waiting = session.open()?.app().inbox()?;
    session.out.answer(&Inbox(waiting))?;
    Ok(0)
}

pub(super) fn answer(session: &mut Session, args: people::Answer) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.app().find_task(&args.task)?;
    let reply = match (args.choice, args.text) {
        (Some(choice), _) => Reply::Choice(choice),
        (None, text) => Reply::Text(reason(text.unwrap_or_default())?),
    };
    let asked = queue.change(args.change).answer(&task, &reply)?;
    session.out.answer(&AskedView(asked))?;
    Ok(0)
}

fn reason(argument: String) -> Result<Reason, Failure> {
    Ok(Reason::new(input::text(argument)?).map_err(AppError::from)?)
}
