//! A command made of a template and the path of a test.

use tasq_domain::{CommandLine, TextError};
use thiserror::Error;

/// What is replaced by the path.
const PLACE: &str = "{}";

/// A `sh -c` line with `{}` where the path of a test goes, such as `npx vitest run {}`.
///
/// The path comes from a file that nobody has vouched for, so it always becomes a part of one single argument: it is
/// quoted for the shell, and the template is refused where quoting could not help.
///
/// ```
/// use tasq_formats::import::CommandTemplate;
/// let template = CommandTemplate::new("npx vitest run {}").unwrap();
/// assert_eq!(template.command("a b.ts").unwrap().as_str(), "npx vitest run 'a b.ts'");
/// assert!(CommandTemplate::new("sh -c 'test {}'").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTemplate(String);

/// A text cannot be a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// There is no `{}` in it.
    #[error("the test command has no {PLACE} for the path of the test")]
    NoPlace,
    /// A `{}` stands inside quotes, where a path could end them.
    #[error(
        "the test command has its {PLACE} inside quotes; leave them out, the path is quoted by itself"
    )]
    Quoted,
    /// It uses a part of the shell's language inside which a quoted text is not always one argument.
    #[error("the test command has {found:?}, with which a path could not be quoted safely")]
    Unsafe {
        /// What it uses.
        found: &'static str,
    },
}

impl CommandTemplate {
    /// Checks a template.
    ///
    /// # Errors
    /// If it has no `{}`, or has one where the path would not be a single argument whatever it is.
    pub fn new(text: impl Into<String>) -> Result<Self, TemplateError> {
        const UNSAFE: [&str; 8] = ["\n", "\r", "\0", "`", "<<", "${", "$'", "#"];
        let text = text.into();
        if let Some(found) = UNSAFE.into_iter().find(|found| text.contains(found)) {
            return Err(TemplateError::Unsafe { found });
        }
        if !text.contains(PLACE) {
            return Err(TemplateError::NoPlace);
        }
        let mut open: Option<char> = None;
        let mut escaped = false;
        for (at, character) in text.char_indices() {
            if text[at..].starts_with(PLACE) && (open.is_some() || escaped) {
                return Err(TemplateError::Quoted);
            }
            let was_escaped = std::mem::take(&mut escaped);
            match (open, character) {
                (None | Some('"'), '\\') if !was_escaped => escaped = true,
                (None, '\'' | '"') if !was_escaped => open = Some(character),
                (Some('\''), '\'') => open = None,
                (Some('"'), '"') if !was_escaped => open = None,
                _ => (),
            }
        }
        Ok(Self(text))
    }

    /// The command for the test at `path`.
    ///
    /// # Errors
    /// If it is longer than a command may be, or the path has a NUL character.
    pub fn command(&self, path: &str) -> Result<CommandLine, TextError> {
        CommandLine::new(self.0.replace(PLACE, &shell_word(path)))
    }
}

/// `path` as one word of the shell that is no option.
fn shell_word(path: &str) -> String {
    let guard = if path.starts_with('-') { "./" } else { "" };
    format!("'{guard}{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn whatever_the_path_is_the_command_gets_it_as_one_argument() {
        let template = CommandTemplate::new("printf '<%s>' {} \"a  b\"").unwrap();
        for path in [
            "plain.ts",
            "a b",
            "$(touch /tmp/x); `id`",
            "it's",
            "'",
            "\"",
            "\\",
            "a\nb",
            "*",
            "{}",
            "&& rm -rf .",
            "é\u{202e}",
        ] {
            let line = template.command(path).unwrap();
            let output = Command::new("sh")
                .arg("-c")
                .arg(line.as_str())
                .output()
                .unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(printed, format!("<{path}><a  b>"));
        }
    }

    #[test]
    fn a_path_is_never_an_option() {
        let command = CommandTemplate::new("t {}")
            .unwrap()
            .command("--delete")
            .unwrap();
        assert_eq!(command.as_str(), "t './--delete'");
    }

    #[test]
    fn a_template_in_which_quoting_does_not_help_is_refused() {
        assert_eq!(
            CommandTemplate::new("npm test"),
            Err(TemplateError::NoPlace)
        );
        for quoted in ["t '{}'", "t \"{}\"", "t 'a\"{}", "t \\{}", "t \"\\\"{}\""] {
            assert_eq!(
                CommandTemplate::new(quoted),
                Err(TemplateError::Quoted),
                "{quoted}"
            );
        }
        for (text, found) in [
            ("t `echo {}`", "`"),
            ("t # {}", "#"),
            ("t <<E {}", "<<"),
            ("t ${a:-{}}", "${"),
        ] {
            assert_eq!(
                CommandTemplate::new(text),
                Err(TemplateError::Unsafe { found })
            );
        }
        assert!(CommandTemplate::new("t 'x' {} \"it's\" {}").is_ok());
    }
}
