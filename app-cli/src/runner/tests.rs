//! Hostile commands under the real program: build it first (`cargo build`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

/// How long anything here may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program that was built beside this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let program = folder.join("tasq");
    assert!(program.exists(), "build it first: cargo build");
    program
}

fn runner(interrupt: &Interrupt) -> SystemRunner {
    SystemRunner {
        program: program(),
        ..SystemRunner::new(interrupt.clone())
    }
}

fn shell(line: &str) -> CommandSpec {
    CommandSpec {
        argv: ["sh", "-c", line].map(str::to_owned).to_vec(),
        env: vec![("TASQ_TEST_WORD".to_owned(), "a word".to_owned())],
        stdin: b"from outside".to_vec(),
        folder: PathBuf::from("/"),
        ..CommandSpec::default()
    }
}

/// A command whose grace is over soon.
fn impatient(line: &str) -> CommandSpec {
    let limits = Limits {
        grace: Duration::from_millis(50),
        ..Limits::default()
    };
    CommandSpec {
        limits,
        ..shell(line)
    }
}

fn start(command: &CommandSpec) -> Box<dyn Running> {
    runner(&Interrupt::default()).start(command).unwrap()
}

fn run(command: &CommandSpec) -> Exit {
    let exit = start(command).wait(PATIENCE).unwrap();
    exit.expect("it ends by itself")
}

/// Reads what a command writes into a file, once all of it is there.
fn read_line(path: &Path) -> String {
    let patience = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(Instant::now() < patience, "nothing in {}", path.display());
        thread::yield_now();
    }
}

/// Whether the process with this number runs; one that was killed and not collected does not.
fn runs(pid: &str) -> bool {
    Stat::of(pid.parse().unwrap()).is_ok_and(|stat| !stat.ended)
}

/// Waits for the end of a process that was killed, which the system carries out in its own time.
fn assert_ends(pid: &str) {
    let patience = Instant::now() + PATIENCE;
    while runs(pid) {
        assert!(Instant::now() < patience, "process {pid} lives on");
        thread::yield_now();
    }
}

#[test]
fn a_command_gets_its_input_its_environment_and_its_folder() {
    let exit = run(&shell(
        "cat; echo \" $TASQ_TEST_WORD $PWD\"; echo err >&2; exit 7",
    ));
    assert_eq!((exit.code, exit.signal), (Some(7), None));
    assert_eq!(exit.output_tail, "from outside a word /\nerr\n");
    assert_eq!((exit.end, exit.written.bytes), (End::Itself, 26));
}

#[test]
fn a_signal_that_ends_a_command_is_told() {
    let exit = run(&shell("kill -USR1 $$; exit 3"));
    assert_eq!((exit.code, exit.signal), (None, Some(10)));
}

#[test]
fn a_command_has_a_session_without_a_terminal() {
    let us = Stat::of(i32::try_from(std::process::id()).unwrap()).unwrap();
    let exit = run(&shell("cat /proc/$$/stat; : < /dev/tty"));
    let stat = Stat::read(exit.output_tail.lines().next().unwrap().as_bytes()).unwrap();
    assert_ne!(stat.session, us.session);
    assert_eq!(stat.group, stat.pid, "it leads a group of its own");
    assert_ne!(exit.code, Some(0), "there is no terminal to be opened");
}

#[test]
fn an_input_of_any_size_arrives_and_need_not_be_read() {
    let mut command = shell("wc -c");
    command.stdin = vec![b'x'; 3_000_000];
    assert_eq!(run(&command).output_tail.trim(), "3000000");
    command.argv[2] = "exit 4".to_owned();
    assert_eq!(run(&command).code, Some(4));
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let mut command = shell("");
    for (program, kind) in [
        ("no-such-program-of-ours", io::ErrorKind::NotFound),
        ("/etc/passwd", io::ErrorKind::PermissionDenied),
        ("/", io::ErrorKind::PermissionDenied),
    ] {
        command.argv = vec![program.to_owned()];
        match runner(&Interrupt::default()).start(&command) {
            Err(RunError::Start { source, .. }) => assert_eq!(source.kind(), kind, "{program}"),
            Err(error) => panic!("{program}: {error}"),
            Ok(_) => panic!("{program} was started"),
        }
    }
}

#[test]
fn only_a_part_of_our_environment_is_passed_on() {
    let mut runner = runner(&Interrupt::default());
    let has = |name: &str| runner.environment.iter().any(|(it, _)| it == name);
    assert!(has("PATH") && !has("CARGO_PKG_NAME"));
    runner = runner.granting(&Passed {
        env: vec!["CARGO_PKG_*".to_owned()],
        max_processes: None,
        max_memory: None,
    });
    let mut running = runner.start(&shell("echo $CARGO_PKG_NAME")).unwrap();
    let exit = running.wait(PATIENCE).unwrap().unwrap();
    assert_eq!(exit.output_tail, "tasq-app-cli\n");
}

#[test]
fn a_secret_is_neither_in_the_log_nor_in_the_tail() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("one.log");
    let secrets = [("AGENT_TOKEN".into(), "open sesame".into())];
    let runner = SystemRunner {
        redaction: Arc::new(Redaction::of_variables(secrets)),
        ..runner(&Interrupt::default())
    };
    let mut command = shell("printf 'it is open '; sleep 0.01; printf 'sesame\\nfine'");
    command.log = Some(log.clone());
    let mut running = runner.start(&command).unwrap();
    let exit = running.wait(PATIENCE).unwrap().unwrap();
    assert_eq!(exit.output_tail, "it is [redacted]\nfine");
    assert_eq!(fs::read_to_string(log).unwrap(), "it is [redacted]\nfine");
}

#[test]
fn all_output_is_in_the_log_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("logs/one.log");
    let mut command = shell("printf '\\377\\000\\n'; yes x | head -c 300000; printf end");
    command.log = Some(log.clone());
    let exit = run(&command);
    let written = fs::read(&log).unwrap();
    assert_eq!(written.len(), 300_006);
    assert!(written.starts_with(b"\xff\0\nx\n") && written.ends_with(b"x\nend"));
    assert_eq!(exit.output_tail.len(), 64 * 1024);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&log), 0o600);
    assert_eq!(mode(log.parent().unwrap()), 0o700);
}

#[test]
fn a_command_that_does_not_end_is_stopped_with_its_children() {
    let mut command = impatient("trap '' TERM; sh -c 'echo $$; exec sleep 1000' & wait; wait");
    command.stdin.clear();
    let mut running = start(&command);
    assert_eq!(running.wait(Duration::from_millis(200)).unwrap(), None);
    let exit = running.stop().unwrap();
    assert_eq!((exit.signal, exit.end), (Some(9), End::Stopped));
    assert!(!runs(exit.output_tail.trim()));
}

#[test]
fn a_command_that_is_asked_may_end_in_its_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let mut running = start(&shell(&format!(
        "trap 'echo bye; exit 5' TERM; echo go > {}; while :; do sleep 0.01; done",
        ready.display()
    )));
    read_line(&ready);
    let exit = running.stop().unwrap();
    assert_eq!(exit.code, Some(5));
    // The shell also tells how its child ended.
    assert!(exit.output_tail.ends_with("bye\n"), "{exit:?}");
}

#[test]
fn a_stopped_command_is_stopped_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let mut running = start(&shell(&format!(
        "echo $$ > {}; kill -STOP $$; sleep 1000",
        pid.display()
    )));
    let pid = read_line(&pid);
    let exit = running.stop().unwrap();
    assert_eq!(exit.signal, Some(15));
    assert!(!runs(&pid));
}

#[test]
fn what_a_command_left_running_ends_with_it() {
    let exit = run(&shell("sleep 1000 & echo $!"));
    assert_eq!(exit.code, Some(0));
    assert!(!runs(exit.output_tail.trim()));
}

#[test]
fn what_left_the_session_and_ignores_requests_ends_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let escapee = format!(
        "setsid sh -c \"trap '' TERM HUP; setsid sh -c 'trap \\\"\\\" TERM; echo \\$\\$ > {}; sleep 1000; sleep 1000'; sleep 1000\" & ",
        file.display()
    );
    // It ends by itself, or it is stopped.
    let exit = run(&impatient(&format!(
        "{escapee} while ! [ -s {} ]; do sleep 0.01; done",
        file.display()
    )));
    assert_eq!(exit.code, Some(0));
    assert!(!runs(&read_line(&file)), "after an end");
    fs::remove_file(&file).unwrap();
    let mut running = start(&impatient(&format!("{escapee} sleep 1000")));
    let pid = read_line(&file);
    assert!(runs(&pid));
    running.stop().unwrap();
    assert!(!runs(&pid), "after a stop");
}

#[test]
fn a_command_that_is_dropped_is_killed_with_all_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let running = start(&shell(&format!(
        "setsid sh -c 'trap \"\" TERM; echo $$ > {}; sleep 1000'",
        file.display()
    )));
    let pid = read_line(&file);
    drop(running);
    assert!(!runs(&pid));
}

#[test]
fn the_own_limits_of_a_command_end_it() {
    let mut command = impatient("trap '' TERM; while :; do echo x; sleep 0.01; done");
    command.limits.time = Some(Duration::from_millis(150));
    command.limits.silence = Some(PATIENCE);
    let exit = run(&command);
    assert_eq!((exit.end, exit.signal), (End::Time, Some(9)));
    let mut command = impatient("echo working; sleep 1000");
    command.limits.time = Some(PATIENCE);
    command.limits.silence = Some(Duration::from_millis(150));
    let exit = run(&command);
    assert_eq!((exit.end, exit.signal), (End::Silence, Some(15)));
    assert_eq!(exit.output_tail, "working\n");
    assert!(exit.end.is_timeout());
}

#[test]
fn a_command_that_makes_too_many_processes_is_killed() {
    // It would come to an end by itself, for the sake of the machine that this runs on.
    let mut command = shell("for i in $(seq 100); do sleep 1000 & done; wait");
    command.limits.processes = Some(20);
    let exit = run(&command);
    assert_eq!((exit.end, exit.signal), (End::Processes, Some(9)));
    let mut command = shell("sleep 0.2 & sleep 0.2 & wait");
    command.limits.processes = Some(20);
    let exit = run(&command);
    assert_eq!((exit.end, exit.code), (End::Itself, Some(0)));
}

#[test]
fn the_system_limits_the_processes_of_the_account_as_well() {
    let mut command = shell("grep '^Max processes' /proc/self/limits");
    command.limits.processes = Some(20);
    let line = run(&command).output_tail;
    let limit: u32 = line.split_whitespace().nth(2).unwrap().parse().unwrap();
    // Those that run already are added, and there is at least this one.
    assert!(limit > 20, "{limit}");
}

#[test]
fn memory_is_limited_for_each_process() {
    let mut command = shell("ulimit -v");
    command.limits.memory = Some(64 * 1024 * 1024);
    assert_eq!(run(&command).output_tail, "65536\n");
}

#[test]
fn the_last_line_of_a_command_can_be_seen_while_it_runs() {
    let runner = runner(&Interrupt::default());
    let mut command = shell("printf '\\033[1mone\\033[0m\\ntwo\\rthree'; sleep 1000");
    command.label = "TASK-1".to_owned();
    let outputs = runner.outputs();
    let mut running = runner.start(&command).unwrap();
    let patience = Instant::now() + PATIENCE;
    while outputs.last_line("TASK-1").as_deref() != Some("three") {
        assert!(Instant::now() < patience, "nothing is seen");
        thread::yield_now();
    }
    running.stop().unwrap();
    assert_eq!(outputs.last_line("TASK-1"), None);
}

#[test]
fn a_wait_returns_early_once_for_each_interrupt() {
    let interrupt = Interrupt::default();
    let mut running = runner(&interrupt).start(&shell("sleep 1000")).unwrap();
    for _ in 0..2 {
        interrupt.raise();
        assert_eq!(running.wait(PATIENCE).unwrap(), None);
        let short = Duration::from_millis(1);
        assert_eq!(running.wait(short).unwrap(), None, "it is not told again");
    }
    assert_eq!(running.stop().unwrap().signal, Some(15));
}

#[test]
fn a_command_whose_keeper_is_killed_ends_with_all_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let mut running = start(&shell(&format!(
        "setsid sh -c 'trap \"\" TERM; echo $$ > {}; sleep 1000' & echo $PPID; wait",
        file.display()
    )));
    let pid = read_line(&file);
    let keeper = Stat::of(pid.parse().unwrap()).unwrap();
    // The escapee's ancestor that is our own child is the keeper.
    let us = i32::try_from(std::process::id()).unwrap();
    let mut keeper = keeper;
    while keeper.parent != us {
        keeper = Stat::of(keeper.parent).unwrap();
    }
    keeper.signal(Signal::KILL);
    let exit = running.wait(PATIENCE).unwrap().unwrap();
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    assert_ends(&pid);
}
