//! The program by itself.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

#[test]
fn it_prints_where_it_listens_and_writes_the_truth_first() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (truth, faults) = (folder.join("truth.json"), folder.join("faults.toml"));
    std::fs::write(&faults, "[[faults]]\neffect = \"reset\"\n").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_simcloud"))
        .args(["--accounts", "2", "--now", "1795305600", "--truth"])
        .arg(&truth)
        .arg("--faults")
        .arg(&faults)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert!(line["endpoint"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let truth: Value = serde_json::from_str(&std::fs::read_to_string(truth).unwrap()).unwrap();
    assert_eq!(truth["accounts"][1]["id"], line["accounts"][1]);
}

#[test]
fn it_refuses_what_it_cannot_simulate_with_exit_code_2() {
    for (arguments, message) in [
        (["--listen", "0.0.0.0:0"], "0.0.0.0:0 is not a loopback address"),
        (["--accounts", "0"], "0 accounts: between 1 and 1000000 can be simulated"),
        (["--regions", "Frankfurt"], "region \"Frankfurt\" is not a name like eu-central-1"),
        (["--scale", "huge"], "scale \"huge\" is neither small, medium nor a number from 1 to 10000"),
        (["--faults", "/nonexistent"], "cannot read /nonexistent"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_simcloud")).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(message), "{arguments:?}: {text}");
    }
}
