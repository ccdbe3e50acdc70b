//! The invariants of ARCHITECTURE.md, checked on the source.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the three crates' sources.
const SOURCES: [&str; 3] = ["src", "crates/model/src", "crates/sim/src"];

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

fn is_test(path: &Path) -> bool {
    let is_named = |name: &str| path.components().any(|part| part.as_os_str() == name);
    is_named("tests") || is_named("tests.rs") || is_named("fixture.rs")
}

/// The lines of code: no comments, no doc comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| (number + 1, line)).filter(|(_, line)| !line.trim().starts_with("//"))
}

#[test]
fn the_model_uses_no_clock_lock_or_io() {
    // Its manifest proves that it uses no framework; the standard library has to be searched.
    let banned = [
        "std::fs",
        "std::io",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "Mutex",
        "RwLock",
        "SystemTime",
        "Instant",
    ];
    for (path, text) in sources("crates/model/src") {
        if is_test(&path) {
            continue;
        }
        for (number, line) in code(&text) {
            for word in banned {
                assert!(!line.contains(word), "{}:{number} names {word}", path.display());
            }
        }
    }
}

#[test]
fn the_manifests_keep_the_crates_apart() {
    let dependencies = |manifest: &str| -> Vec<String> {
        let text = fs::read_to_string(manifest).expect("the manifest is there");
        let of_section = text.split("\n[").find(|section| section.starts_with("dependencies]")).expect("a section");
        let lines = of_section.lines().skip(1).filter(|line| !line.starts_with('#') && line.contains('='));
        lines.map(|line| line.split(['=', '.']).next().unwrap_or(line).trim().to_owned()).collect()
    };
    assert_eq!(dependencies("crates/model/Cargo.toml"), Vec::<String>::new(), "the model depends on nothing");
    let of_sim = dependencies("crates/sim/Cargo.toml");
    assert!(!of_sim.is_empty());
    for banned in ["image-pull-model", "image-pull-exporter", "kube", "k8s-openapi"] {
        assert!(!of_sim.iter().any(|name| name == banned), "the simulated cluster shares {banned} with what it tests");
    }
}

#[test]
fn dependencies_point_inward() {
    for (folder, banned) in [
        ("src/cluster", &["crate::metrics", "crate::http", "crate::monitor", "image_pull_sim", "crate::serve"][..]),
        ("src/metrics", &["crate::cluster", "crate::http", "crate::monitor", "image_pull_sim", "kube::", "axum"]),
        ("src/http", &["crate::cluster", "crate::monitor", "image_pull_sim", "kube::"]),
    ] {
        for (path, text) in sources(folder) {
            for (number, line) in code(&text) {
                for word in banned {
                    assert!(!line.contains(word), "{}:{number} names {word}", path.display());
                }
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in SOURCES.iter().flat_map(|folder| sources(folder)) {
        assert!(is_test(&path) || text.starts_with("//! "), "{} does not say what it is for", path.display());
    }
}

#[test]
fn every_source_file_is_compiled() {
    for folder in SOURCES.into_iter().chain(["tests"]) {
        for (path, _) in sources(folder) {
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a file has a name");
            let parent = path.parent().expect("a file has a folder");
            let is_root = parent == Path::new(folder) && (folder == "tests" || matches!(name, "lib" | "main"));
            if is_root || (folder == "tests" && name == "main") {
                continue;
            }
            let (module, declared_in) = if name == "mod" {
                let module = parent.file_name().and_then(|name| name.to_str()).expect("a folder has a name");
                (module, parent.parent().expect("a folder has a parent"))
            } else {
                (name, parent)
            };
            let mut declaring = vec![declared_in.join("mod.rs"), declared_in.with_extension("rs")];
            declaring.extend(
                ["lib.rs", "main.rs"]
                    .map(|root| declared_in.join(root))
                    .into_iter()
                    .filter(|_| declared_in == Path::new(folder)),
            );
            if folder == "tests" {
                let siblings = fs::read_dir(declared_in).expect("the folder is there");
                declaring.extend(siblings.filter_map(|entry| Some(entry.ok()?.path())));
            }
            let is_declared = declaring
                .iter()
                .filter_map(|path| fs::read_to_string(path).ok())
                .any(|text| text.lines().any(|line| line.trim_end().ends_with(&format!("mod {module};"))));
            assert!(is_declared, "{} is declared nowhere", path.display());
        }
    }
}

/// The arguments of every call of a logging macro in `text`.
fn logged(text: &str) -> Vec<String> {
    let mut calls = Vec::new();
    for name in ["error!(", "warn!(", "info!(", "debug!(", "trace!("] {
        for (start, _) in text.match_indices(name) {
            let (mut depth, mut is_text, mut arguments) = (1, false, String::new());
            for character in text[start + name.len()..].chars() {
                match character {
                    '"' => is_text = !is_text,
                    '(' if !is_text => depth += 1,
                    ')' if !is_text => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                arguments.push(if depth > 1 || is_text { '_' } else { character });
            }
            calls.push(arguments);
        }
    }
    calls
}

#[test]
fn no_field_of_a_log_line_has_a_name_that_the_log_uses() {
    let of_the_log = ["message", "level", "ts", "timestamp", "target", "fields", "span", "spans", "name"];
    let mut seen = 0;
    for (path, text) in SOURCES.iter().flat_map(|folder| sources(folder)) {
        let code: String = code(&text).flat_map(|(_, line)| [line, "\n"]).collect();
        for call in logged(&code) {
            for field in call.split(',') {
                let name = field.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
                assert!(!of_the_log.contains(&name), "{}: {name} in {call}", path.display());
                seen += usize::from(!name.is_empty() && !name.contains('"'));
            }
        }
    }
    assert!(seen > 30, "{seen} fields");
}
