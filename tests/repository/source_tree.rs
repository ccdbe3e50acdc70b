//! The invariants of ARCHITECTURE.md, checked on the source.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// The source folders of the three crates.
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
    is_named("tests") || is_named("tests.rs") || is_named("scenario.rs")
}

/// The lines of code: no comments, no doc comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| (number + 1, line)).filter(|(_, line)| !line.trim().starts_with("//"))
}

#[test]
fn the_model_uses_no_clock_lock_or_io() {
    // The manifest excludes frameworks. The standard library has to be searched.
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
    assert_eq!(dependencies("crates/model/Cargo.toml"), ["strum"], "the model depends only on macros");
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
fn every_file_has_a_module_comment() {
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

/// The modules of a crate with a separate file, except tests: path within the crate, file, code.
struct Modules {
    files: BTreeMap<Vec<String>, (PathBuf, String)>,
}

impl Modules {
    fn of(folder: &str) -> Self {
        let mut files = BTreeMap::new();
        for (path, text) in sources(folder) {
            if is_test(&path) {
                continue;
            }
            let inside = path.strip_prefix(folder).expect("the file is in the folder").with_extension("");
            let mut module: Vec<String> = inside.iter().map(|part| part.to_str().expect("UTF-8").to_owned()).collect();
            if module == ["main"] {
                continue;
            }
            if module == ["lib"] {
                module.clear();
            }
            let code: String = code(&text).flat_map(|(_, line)| [line, "\n"]).collect();
            files.insert(module, (path, code));
        }
        Self { files }
    }

    /// The module file that a path names an item of.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut module = match path.first()?.as_str() {
            "crate" => Vec::new(),
            _ => from.to_vec(),
        };
        for part in path {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(module.pop()?),
                name => {
                    module.push(name.to_owned());
                    if !self.files.contains_key(&module) {
                        module.pop();
                        break;
                    }
                }
            }
        }
        Some(module)
    }

    /// The other files whose items a file uses, in a `use` or in a path.
    fn used_by(&self, module: &[String]) -> BTreeSet<Vec<String>> {
        let (_, code) = &self.files[module];
        let children: BTreeSet<&str> = self
            .files
            .keys()
            .filter(|path| path.len() == module.len() + 1 && path.starts_with(module))
            .filter_map(|path| path.last().map(String::as_str))
            .collect();
        let tokens = tokens(code);
        let mut used = BTreeSet::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let begins = matches!(token.as_str(), "crate" | "super" | "self") || children.contains(token.as_str());
            let is_inside_a_path = at > 0 && tokens[at - 1] == "::";
            // A module that only re-exports items of its children does not use them.
            let is_re_exported = tokens[..at].ends_with(&["pub".to_owned(), "use".to_owned()])
                || tokens[..at].ends_with(&[")".to_owned(), "use".to_owned()]);
            let is_path = begins && !is_inside_a_path && tokens.get(at + 1).is_some_and(|next| next == "::");
            let mut paths = Vec::new();
            if is_path {
                read_paths(&tokens, &mut at, &mut Vec::new(), &mut paths);
            } else {
                at += 1;
            }
            if !is_re_exported {
                used.extend(paths.iter().filter_map(|path| self.resolve(module, path)));
            }
        }
        used.remove(module);
        used
    }
}

/// Splits code into identifiers, `::`, braces and other characters, without string literals.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else if first == '"' {
            let mut is_escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                ends
            });
            rest = &rest[end.map_or(rest.len(), |end| end + 2)..];
            continue;
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if !first.is_whitespace() {
            tokens.push(token.to_owned());
        }
        rest = after;
    }
    tokens
}

/// Reads `a::b::{c, d::e}` at position `at`, and adds each path in full.
fn read_paths(tokens: &[String], at: &mut usize, prefix: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let depth = prefix.len();
    loop {
        match tokens.get(*at).map(String::as_str) {
            Some("{") => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    read_paths(tokens, at, prefix, paths);
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                break;
            }
            Some(name) => {
                prefix.push(name.to_owned());
                *at += 1;
                if tokens.get(*at).is_some_and(|token| token == "::") {
                    *at += 1;
                    continue;
                }
                if tokens.get(*at).is_some_and(|token| token == "as") {
                    *at += 2;
                }
                paths.push(prefix.clone());
                break;
            }
            None => break,
        }
    }
    prefix.truncate(depth);
}

/// No file imports itself through others, so each can be read after those that it uses.
#[test]
fn no_import_cycles_among_the_files_of_a_crate() {
    let mut cycles = Vec::new();
    for folder in SOURCES {
        let modules = Modules::of(folder);
        let used: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> =
            modules.files.keys().map(|module| (module, modules.used_by(module))).collect();
        for (module, direct) in &used {
            for start in direct {
                // Breadth-first search for the shortest path back.
                let mut came_from = BTreeMap::from([(start, start)]);
                let mut queue = VecDeque::from([start]);
                while let Some(next) = queue.pop_front() {
                    if next == *module {
                        break;
                    }
                    for other in &used[next] {
                        if let Entry::Vacant(place) = came_from.entry(other) {
                            place.insert(next);
                            queue.push_back(other);
                        }
                    }
                }
                let mut way = Vec::new();
                let mut step = *module;
                while let Some(previous) = came_from.get(step) {
                    way.push(step.join("::"));
                    if *previous == step {
                        break;
                    }
                    step = previous;
                }
                if !way.is_empty() {
                    way.push(module.join("::"));
                    way.reverse();
                    let is_first = way[1..].iter().all(|other| way[0] <= *other);
                    if is_first {
                        cycles.push(format!("{folder}: {}", way.join(" -> ")));
                    }
                }
            }
        }
    }
    assert!(cycles.is_empty(), "{} import cycles:\n{}", cycles.len(), cycles.join("\n"));
}
