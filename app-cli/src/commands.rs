//! Each command: arguments in, one use case, one view out. No rules here.

mod attempts;
mod care;
mod import;
mod items;
mod life;
mod lines;
mod moving;
mod people;
mod run;
mod tools;
mod trust;
mod views;
mod work;

use tasq_formats::json::{Written, WrittenObject};

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::output::{Output, Text, View};
use crate::session::Session;

/// Carries out a command and returns its exit status.
pub(crate) fn carry_out(cli: Cli, out: &mut Option<Session>) -> Result<u8, Failure> {
    let Cli { global, command } = cli;
    let session = out.insert(Session {
        out: Output::new(global.json, global.quiet, global.color)?,
        global,
    });
    match command {
        Command::Init(args) => items::init(session, args),
        Command::Where => views::whereabouts(session),
        Command::Epic(command) => items::epic(session, command),
        Command::Feature(command) => items::feature(session, command),
        Command::Task(command) => items::task(session, command),
        Command::Test(command) => items::test(session, command),
        Command::Add(args) => items::add_task(session, args),
        Command::Move(args) => items::move_task(session, args),
        Command::List(args) => views::list(session, args),
        Command::Ready(args) => views::ready(session, args),
        Command::Next(args) => views::next(session, args),
        Command::Tree(args) => views::tree(session, args),
        Command::Progress(args) => views::progress(session, args),
        Command::Show(args) => views::show(session, &args.id),
        Command::Why(args) => views::why(session, args),
        Command::Log(args) => views::log(session, args),
        Command::Attempts(args) => attempts::attempts(session, args),
        Command::Output(args) => attempts::output(session, args),
        Command::Claim(args) => work::claim(session, args),
        Command::Heartbeat(args) => work::heartbeat(session, args),
        Command::Checkpoint(args) => work::checkpoint(session, args),
        Command::Complete(args) => work::complete(session, args),
        Command::Fail(args) => work::fail(session, args),
        Command::Release(args) => work::release(session, args),
        Command::Ask(args) => people::ask(session, args),
        Command::Inbox => people::inbox(session),
        Command::Answer(args) => people::answer(session, args),
        Command::Verify(args) => run::verify(session, args),
        Command::Trust(args) => trust::trust(session, args),
        Command::Run(args) => run::run(session, *args),
        Command::Block(args) => life::block(session, args),
        Command::Unblock(args) => life::unblock(session, args),
        Command::Reopen(args) => life::reopen(session, args),
        Command::Retry(args) => life::retry(session, args),
        Command::Hold(args) => life::hold(session, args),
        Command::Unhold(args) => life::unhold(session, args),
        Command::Cancel(args) => life::cancel(session, args),
        Command::Reap(args) => life::reap(session, args),
        Command::Depend(args) => life::depend(session, args),
        Command::Undepend(args) => life::undepend(session, args),
        Command::Import(args) => import::import(session, args),
        Command::Export(args) => moving::export(session, args),
        Command::Copy(args) => moving::copy(session, args),
        Command::Migrate(args) => moving::migrate(session, args),
        Command::Doctor(args) => care::doctor(session, args),
        Command::Backup(args) => care::backup(session, args),
        Command::Restore(args) => care::restore(session, args),
        Command::Selftest(args) => crate::selftest::selftest(session, args),
        Command::SelftestWorker(args) => crate::selftest::work(session, args),
        Command::Demo(args) => crate::demo::demo(session, args),
        Command::Completions(args) => tools::completions(session, args),
        Command::Man(args) => tools::man(session, args),
        Command::Schema(args) => tools::schema(session, args),
        Command::Version => version(session),
    }
}

fn version(session: &mut Session) -> Result<u8, Failure> {
    session.out.answer(&Version)?;
    Ok(0)
}

struct Version;

impl View for Version {
    fn json(&self) -> Written {
        WrittenObject::new()
            .with("version", env!("CARGO_PKG_VERSION"))
            .into()
    }

    fn text(&self, text: &mut Text) {
        text.line(concat!("tasq ", env!("CARGO_PKG_VERSION")));
    }
}
