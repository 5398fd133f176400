//! The view of the loop on a real terminal, as far as a program can look at one.

use std::process::Stdio;

use super::harness::{Kind, Ran, Sandbox, binary, text};

/// Runs a command on a terminal of 60 by 12, prints what came over it, and ends as the command does. Once something
/// moves, the window becomes narrower; and where the first argument says so, Ctrl-C is typed twice.
const TERMINAL: &str = r#"
import fcntl, os, pty, select, struct, sys, termios, time
keys, command = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.execvp(command[0], command)
size = lambda rows, columns: fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
size(12, 60)
before = termios.tcgetattr(fd)
seen, typed, resized = b'', 0, False
while True:
    try:
        more = os.read(fd, 65536)
    except OSError:
        break
    if not more:
        break
    seen += more
    if not resized and b'working' in seen:
        size(8, 30)
        resized = True
    if keys == 'interrupt' and resized and typed == 0:
        os.write(fd, b'\x03')
        typed = 1
    if typed == 1 and b'nothing more is begun' in seen:
        os.write(fd, b'\x03')
        typed = 2
same = termios.tcgetattr(fd) == before
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.stderr.write('terminal as it was' if same else 'terminal changed')
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"#;

fn on_terminal(sandbox: &Sandbox, keys: &str, words: &[&str]) -> Ran {
    let mut python = sandbox.program("python3");
    python
        .args(["-c", TERMINAL, keys])
        .arg(binary())
        .args(words)
        .stdin(Stdio::null());
    Ran::of(&mut python)
}

/// What of a picture is text, without colours and movements.
fn lines(ran: &Ran) -> Vec<String> {
    let mut out = String::new();
    let mut rest = ran.stdout.chars();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' {
            assert_eq!(rest.next(), Some('['), "only colours and movements");
            let end = rest.find(|it| it.is_ascii_alphabetic());
            assert!(
                matches!(end, Some('m' | 'A' | 'J' | 'K' | 'h' | 'l')),
                "{end:?}"
            );
        } else {
            out.push(character);
        }
    }
    out.lines().map(|line| line.replace('\r', "")).collect()
}

#[test]
fn a_terminal_shows_what_runs_and_in_the_end_what_was_done() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let first = sandbox.id(&["add", "Fix the \u{1b}]0;evil\u{7} page"]);
    sandbox.id(&["add", "Hash passwords"]);
    let worker = "echo working; sleep 0.6; [ $TASQ_TASK != \"$0\" ] || exit 65";
    let ran = on_terminal(
        &sandbox,
        "",
        &["run", "-j", "2", "--", "sh", "-c", worker, &first],
    );
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.stderr, "terminal as it was");
    for hidden in ["\u{1b}[?25l", "\u{1b}[?1049h", "\u{1b}]"] {
        assert!(!ran.stdout.contains(hidden), "{hidden:?}");
    }
    let lines = lines(&ran);
    let has = |parts: &[&str]| {
        let all = |line: &&String| parts.iter().all(|part| line.contains(part));
        assert!(
            lines.iter().any(|line| all(&line)),
            "{parts:?} in {lines:#?}"
        );
    };
    has(&["0/2 0 %", "2 running"]);
    has(&["Fix the \\u{1b", "working"]);
    has(&["✗ ", &first, "blocked"]);
    has(&["result", "attempts", "time", "task", "title"]);
    has(&["completed", "1", "Hash passwords"]);
    has(&["some tasks remain: 1/2 completed"]);
}

#[test]
fn a_terminal_is_left_as_it_was_when_the_loop_is_interrupted() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let id = sandbox.id(&["add", "work"]);
    let words = ["run", "--", "sh", "-c", "echo working; sleep 1000"];
    let ran = on_terminal(&sandbox, "interrupt", &words);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert_eq!(ran.stderr, "terminal as it was");
    assert_eq!(text(&sandbox.data(&["show", &id])["status"]), "pending");
    assert!(
        ran.stdout.ends_with('\n'),
        "the shell goes on in a line of its own"
    );
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let id = sandbox.id(&["add", "work"]);
    let ran = sandbox.tasq(&["run", "--", "true"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stdout.contains('\u{1b}'));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines[0], format!("▶ {id}  work"));
    assert!(
        lines[1].starts_with(&format!("✓ {id}  completed after ")),
        "{lines:?}"
    );
}
