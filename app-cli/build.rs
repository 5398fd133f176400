//! Links the command without shared libraries where that is possible: finding, mapping and binding three of them takes
//! half a millisecond, about what the whole of `true` takes and a quarter of `tasq next`. `-C target-feature=+crt-static`
//! would say it, but it holds for the compiler's own plug-ins as well, which must be shared libraries.
//!
//! The compiler asks the linker for these libraries by name; here it finds files of those names, before those of the
//! system, that lead it to the static ones. Whether that works is tried: the same compiler, with the same flags, links a
//! small program in the same way, and that is run. Where it fails, the command is linked as any other program, and a
//! build for daily use says why.
//!
//! It also has the linker put the functions together that the frequent commands run (`functions.order`, which
//! `scripts/order` writes): the file is mapped into memory piece by piece, and a command that jumps about in all of it waits
//! for four times as many pieces, which is a fifth of what it takes. A name that is not there any more does nothing.
//!
//! And it has the linker write the command in one piece. A file that is written through a mapping, page by page, lies in
//! the system's memory in single pages until it is read anew, and to map so many takes an eighth of what `tasq next` takes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// What a program asks for, and what it gets.
const LIBRARIES: [(&str, &[&str]); 3] = [
    ("libgcc_s.so", &["libgcc_eh.a", "libgcc.a"]),
    ("libm.so", &["libm.a"]),
    ("libc.so", &["libc.a", "libgcc_eh.a", "libgcc.a"]),
];
/// A program without shared libraries that may lie anywhere in memory. What it has to change in itself for that is listed
/// in the short way if the linker and the C library know that.
const WAYS: [&[&str]; 2] = [
    &["-static-pie", "-Wl,-z,pack-relative-relocs"],
    &["-static-pie"],
];
/// It ends well if its own addresses are right, and another thread too has memory of its own.
const TRIED: &str = r#"
static THERE: u8 = 7;
static PLACE: &u8 = &THERE;
fn main() {
    let there = std::hint::black_box(PLACE);
    assert!(std::ptr::eq(there, &THERE));
    let told = std::thread::spawn(move || format!("{there}")).join();
    assert_eq!(told.expect("a thread runs"), "7");
}
"#;
/// The names of functions, in the order in which they are to lie in the command, for linkers that take one (LLD).
const ORDER: &str = "functions.order";
/// Since version 21 LLD takes this word, which is to name what it does anyway, for its opposite: it puts the output together
/// in memory of its own and writes it at once (<https://github.com/llvm/llvm-project/issues/207459>). Where that was not so,
/// or is mended, the word changes nothing.
const IN_ONE_PIECE: &str = "-Wl,--mmap-output-file";
/// What `.cargo/config.toml` has the compiler told.
const OUR_WAY: &str = "relocation-model=pie";
/// Flags of whoever builds that want the program linked in a way of their own.
const OWN_WAYS: [&str; 4] = [
    "crt-static",
    "relocation-model",
    "sanitizer",
    "prefer-dynamic",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS").replace(OUR_WAY, "");
    let suits = variable("CARGO_CFG_TARGET_OS") == "linux"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
        && variable("TARGET") == variable("HOST")
        && !OWN_WAYS.iter().any(|way| flags.contains(way));
    if !suits {
        return;
    }
    let folder = PathBuf::from(variable("OUT_DIR")).join("static");
    match way_to_static(&folder) {
        Ok(words) => link_with(&words),
        Err(why) if variable("PROFILE") == "release" => println!(
            "cargo::warning=tasq is linked with shared libraries, and starts half a millisecond later: {why}"
        ),
        Err(_) => {}
    }
    match way_to_order(&folder) {
        Ok(words) => link_with(&words),
        Err(why) if variable("PROFILE") == "release" => println!(
            "cargo::warning=the functions of tasq lie in any order, and it starts half a millisecond later: {why}"
        ),
        Err(_) => {}
    }
    // A linker that has no such word writes as it does.
    let in_one_piece = [IN_ONE_PIECE.to_owned()];
    if try_out(&folder, &in_one_piece).is_ok() {
        link_with(&in_one_piece);
    }
}

fn link_with(words: &[String]) {
    for word in words {
        println!("cargo::rustc-link-arg-bins={word}");
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Fills a folder with files of the libraries' names, and finds the words by which a program is linked with these. The
/// error says why there are none, in a line.
fn way_to_static(folder: &Path) -> Result<Vec<String>, String> {
    let unwritten = |error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(unwritten)?;
    for (name, parts) in LIBRARIES {
        let parts: Result<Vec<String>, String> = parts.iter().map(|part| path_of(part)).collect();
        let leads = format!("GROUP({})\n", parts?.join(" "));
        fs::write(folder.join(name), leads).map_err(unwritten)?;
    }
    let mut why = String::new();
    for way in WAYS {
        let mut words = vec![format!("-L{}", folder.display())];
        words.extend(way.iter().map(|&word| word.to_owned()));
        match try_out(folder, &words) {
            Ok(()) => return Ok(words),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// Finds the words by which the linker puts functions in order. The error says why there are none, in a line.
fn way_to_order(folder: &Path) -> Result<Vec<String>, String> {
    let order = Path::new(&variable("CARGO_MANIFEST_DIR")).join(ORDER);
    let words = vec![
        format!("-Wl,--symbol-ordering-file={}", order.display()),
        "-Wl,--no-warn-symbol-ordering".to_owned(),
    ];
    try_out(folder, &words)?;
    Ok(words)
}

/// Links a program with these words, as the command is to be linked, and runs it.
fn try_out(folder: &Path, words: &[String]) -> Result<(), String> {
    let (program, source) = (folder.join("tried"), folder.join("tried.rs"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&source, TRIED))
        .map_err(|error| format!("{}: {error}", source.display()))?;
    let mut compiler = Command::new(variable("RUSTC"));
    compiler.arg("--edition=2024");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    compiler.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        compiler.arg(format!("-Clinker={linker}"));
    }
    compiler.args(words.iter().map(|word| format!("-Clink-arg={word}")));
    compiler.arg("-o").arg(&program).arg(source);
    succeed(&mut compiler)?;
    // What it may leave where it runs, as one that counts its coverage does, belongs into the folder of the build.
    succeed(Command::new(program).current_dir(folder)).map(drop)
}

/// Where the C compiler, by which Rust links, has a file; it answers with the bare name if it has none. The build is done
/// again when that file changes.
fn path_of(file: &str) -> Result<String, String> {
    let linker = env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    let asked = succeed(Command::new(&linker).arg(format!("-print-file-name={file}")))?;
    let path = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    if !Path::new(&path).is_absolute() {
        return Err(format!("{linker} has no {file}"));
    }
    println!("cargo::rerun-if-changed={path}");
    Ok(path)
}

/// What a program said, if it ended well; else what it complained about, the linker's word first.
fn succeed(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let line_with = |word: &str| complaint.lines().find(|line| line.contains(word));
    let said = line_with("ld: ").or_else(|| line_with("error"));
    let said = said.map_or_else(String::new, |line| format!(": {}", line.trim()));
    Err(format!("{name}: {}{said}", output.status))
}
