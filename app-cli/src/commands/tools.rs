//! What describes the command itself: completions, pages for `man`, the schema of its answers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_mangen::Man as Page;
use tasq_app::Code;
use tasq_formats::json::{Document, Layout, Object, Value, Written, WrittenObject, to_pretty};

use crate::args::Cli;
use crate::args::tools::{Completions, Man, Schema};
use crate::failure::Failure;
use crate::output::{Text, View};
use crate::session::Session;

/// The schema of every answer, as it is printed.
const SCHEMA: &str = include_str!("../schema.json");

pub(super) fn completions(session: &mut Session, args: Completions) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tasq", &mut text);
    session.out.raw(&text)?;
    Ok(0)
}

pub(super) fn man(session: &mut Session, args: Man) -> Result<u8, Failure> {
    let mut whole = Cli::command();
    whole.build();
    match args.dir {
        Some(folder) => {
            let mut written = Vec::new();
            write_pages(&whole, &folder, &mut written)?;
            session.out.answer(&Pages(written))?;
        }
        None => {
            let command = find(&whole, &args.command)?;
            session
                .out
                .raw(&page(command).map_err(|error| not_rendered(&error))?)?;
        }
    }
    Ok(0)
}

pub(super) fn schema(session: &mut Session, args: Schema) -> Result<u8, Failure> {
    if args.command.is_empty() {
        session.out.raw(SCHEMA.as_bytes())?;
        return Ok(0);
    }
    let name = args.command.join(" ");
    let document = Document::parse(SCHEMA.as_bytes()).expect("our own schema is JSON");
    let whole = document.value().as_object().expect("it is an object");
    let part = |key: &str| whole.get(key).cloned().unwrap_or(Value::Null);
    let commands = part("commands");
    let data = commands
        .as_object()
        .and_then(|commands| commands.get(&name));
    let Some(data) = data else {
        return Err(unknown(&name, "tasq schema").with_hint(
            "`tasq schema` has all of them; export, log --follow and run print more than one answer",
        ));
    };
    let answer = Object::new()
        .with("schema_version", Object::new().with("const", 1))
        .with("data", data.clone())
        .with("warnings", Object::new().with("type", "array"));
    let of_command = Object::new()
        .with("$schema", part("$schema"))
        .with("title", format!("What `tasq {name} --json` answers"))
        .with("type", "object")
        .with("properties", answer)
        .with("$defs", part("$defs"));
    let text = to_pretty(&Value::Object(of_command), Layout::Levels(4));
    session.out.raw(text.as_bytes())?;
    Ok(0)
}

fn find<'c>(whole: &'c clap::Command, words: &[String]) -> Result<&'c clap::Command, Failure> {
    let mut command = whole;
    for word in words {
        command = command
            .get_subcommands()
            .find(|inner| inner.get_name() == word && !inner.is_hide_set())
            .ok_or_else(|| {
                unknown(&words.join(" "), "tasq man").with_hint("`tasq help` lists the commands")
            })?;
    }
    Ok(command)
}

fn unknown(name: &str, of: &str) -> Failure {
    Failure::new(
        Code::Usage,
        format!("{of}: there is no command {name:?} that it could describe"),
    )
}

fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Page::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn not_rendered(error: &io::Error) -> Failure {
    Failure::io("cannot write the page", error)
}

/// The page of a command and of those below it.
fn write_pages(
    command: &clap::Command,
    folder: &Path,
    written: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    page(command)
        .and_then(|page| fs::write(&path, page))
        .map_err(|error| Failure::io(&format!("cannot write {}", path.display()), &error))?;
    written.push(path);
    for inner in command.get_subcommands() {
        if !inner.is_hide_set() && inner.get_name() != "help" {
            write_pages(inner, folder, written)?;
        }
    }
    Ok(())
}

/// The files that were written.
struct Pages(Vec<PathBuf>);

impl View for Pages {
    fn json(&self) -> Written {
        let files = self.0.iter().map(|path| path.display().to_string());
        WrittenObject::new().with_list("files", files).into()
    }

    fn text(&self, text: &mut Text) {
        text.line(&format!("wrote {} pages", self.0.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Commands that print no answer in an envelope.
    const RAW: [&str; 4] = ["export", "completions", "man", "schema"];

    fn leaves(command: &clap::Command, above: &str, names: &mut BTreeSet<String>) {
        let inner = command.get_subcommands();
        for inner in inner.filter(|it| !it.is_hide_set() && it.get_name() != "help") {
            let name = format!("{above}{}", inner.get_name());
            if inner.has_subcommands() {
                leaves(inner, &format!("{name} "), names);
            } else {
                names.insert(name);
            }
        }
    }

    #[test]
    fn the_schema_describes_every_command() {
        let mut names = BTreeSet::new();
        leaves(&Cli::command(), "", &mut names);
        let document = Document::parse(SCHEMA.as_bytes()).unwrap();
        let whole = document.value().as_object().unwrap();
        let commands = whole.get("commands").unwrap().as_object().unwrap();
        let described: BTreeSet<String> = (commands.iter().map(|(name, _)| name.to_owned()))
            .chain(RAW.map(str::to_owned))
            .collect();
        assert_eq!(described, names);
    }

    #[test]
    fn every_command_has_a_page() {
        let mut whole = Cli::command();
        whole.build();
        let page = page(find(&whole, &["task".into(), "add".into()]).unwrap()).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("tasq\\-task\\-add"), "{page}");
        assert!(find(&whole, &["selftest-worker".into()]).is_err());
    }
}
