use std::path::PathBuf;

use super::*;

fn shell(line: &str) -> CommandSpec {
    CommandSpec {
        argv: ["sh", "-c", line].map(str::to_owned).to_vec(),
        env: vec![("TASQ_TEST_WORD".to_owned(), "a word".to_owned())],
        stdin: b"from outside".to_vec(),
        folder: PathBuf::from("/"),
        ..CommandSpec::default()
    }
}

fn run(command: &CommandSpec) -> Exit {
    let mut running = SystemRunner::new(Interrupt::default())
        .start(command)
        .unwrap();
    running
        .wait(Duration::from_secs(60))
        .unwrap()
        .expect("it ends by itself")
}

/// Waits for the end of a process that was killed, which the system carries out in its own time.
fn assert_ends(pid: &str) {
    let pid: u32 = pid.parse().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    // A killed orphan may stay as a zombie where nobody collects it.
    let runs = || {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    while runs() {
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
}

#[test]
fn all_output_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("logs/one.log");
    let mut command = shell("yes x | head -c 300000");
    command.log = Some(log.clone());
    let exit = run(&command);
    assert_eq!(std::fs::read(log).unwrap().len(), 300_000);
    assert_eq!(exit.output_tail.len(), 64 * 1024);
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let mut command = shell("");
    command.argv = vec!["no-such-program-of-ours".to_owned()];
    let runner = SystemRunner::new(Interrupt::default());
    assert!(matches!(
        runner.start(&command),
        Err(RunError::Start { .. })
    ));
}

#[test]
fn a_command_that_does_not_end_is_stopped_with_its_children() {
    let mut command = shell("trap '' TERM; sh -c 'echo $$; exec sleep 1000' & wait; wait");
    command.stdin.clear();
    let mut running = SystemRunner::new(Interrupt::default())
        .start(&command)
        .unwrap();
    assert_eq!(running.wait(Duration::from_millis(200)).unwrap(), None);
    let exit = running.stop().unwrap();
    assert!(exit.signal.is_some() || exit.code.is_some());
    assert_ends(exit.output_tail.trim());
}

#[test]
fn what_a_command_left_running_ends_with_it() {
    let exit = run(&shell("sleep 1000 & echo $!"));
    assert_ends(exit.output_tail.trim());
}

#[test]
fn an_interrupted_wait_returns_early() {
    let interrupt = Interrupt::default();
    let mut running = SystemRunner::new(interrupt.clone())
        .start(&shell("sleep 1000"))
        .unwrap();
    interrupt.raise();
    assert_eq!(running.wait(Duration::from_secs(1_000)).unwrap(), None);
    assert_eq!(running.stop().unwrap().signal, Some(15));
}
