//! Links the command without shared libraries where that is possible: finding, mapping and binding three of them takes
//! longer than what most commands do. `-C target-feature=+crt-static` would say it, but it holds for the compiler's own
//! plug-ins as well, which must be shared libraries.
//!
//! The compiler asks the linker for these libraries by name; here it finds files of those names, before those of the
//! system, that lead it to the static ones. Whether that works is tried on a program of three lines; where it does not,
//! the command is linked as any other program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// What a program asks for, and what it gets.
const LIBRARIES: [(&str, &[&str]); 3] = [
    ("libgcc_s.so", &["libgcc_eh.a", "libgcc.a"]),
    ("libm.so", &["libm.a"]),
    ("libc.so", &["libc.a", "libgcc_eh.a", "libgcc.a"]),
];
/// A program without shared libraries that may lie anywhere in memory; what it has to change in itself for that is
/// listed in the short way.
const STATIC: [&str; 2] = ["-static-pie", "-Wl,-z,pack-relative-relocs"];
/// It ends well if its own addresses are right.
const TRIED: &str =
    "int there;\nint *place = &there;\nint main(void) { return place != &there; }\n";
/// Flags of whoever builds that want the program linked in a way of their own.
const OWN_WAYS: [&str; 4] = [
    "crt-static",
    "relocation-model",
    "sanitizer",
    "prefer-dynamic",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let suits = variable("CARGO_CFG_TARGET_OS") == "linux"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
        && variable("TARGET") == variable("HOST")
        && !OWN_WAYS.iter().any(|way| flags.contains(way));
    let folder = PathBuf::from(variable("OUT_DIR")).join("static");
    if suits && leads_to_static(&folder).is_some() {
        println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
        for word in STATIC {
            println!("cargo::rustc-link-arg-bins={word}");
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Fills a folder with files of the libraries' names, and tries them.
fn leads_to_static(folder: &Path) -> Option<()> {
    fs::create_dir_all(folder).ok()?;
    for (name, parts) in LIBRARIES {
        let parts: Option<Vec<String>> = parts.iter().map(|part| path_of(part)).collect();
        fs::write(folder.join(name), format!("GROUP({})\n", parts?.join(" "))).ok()?;
    }
    let (source, program) = (folder.join("tried.c"), folder.join("tried"));
    fs::write(&source, TRIED).ok()?;
    let mut linked = compiler();
    linked.args(STATIC).arg("-fPIE").arg(source);
    linked.arg("-o").arg(&program).stderr(Stdio::null());
    (linked.status().ok()?.success() && Command::new(program).status().ok()?.success())
        .then_some(())
}

/// Where the C compiler has a file; it answers with the bare name if it has none.
fn path_of(file: &str) -> Option<String> {
    let asked = compiler().arg(format!("-print-file-name={file}")).output();
    let path = String::from_utf8(asked.ok()?.stdout).ok()?;
    let path = path.trim();
    Path::new(path).is_absolute().then(|| path.to_owned())
}

/// The C compiler, by which Rust links.
fn compiler() -> Command {
    Command::new(env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned()))
}
