//! Who to be for a registry: what `docker login` has kept.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use serde_json::Value;

/// The value of a `Basic` authorization for a registry; nothing where nobody has logged in.
pub(super) fn basic(host: &str) -> Option<String> {
    let text = std::fs::read_to_string(directory()?.join("config.json")).ok()?;
    let config: Value = serde_json::from_str(&text).ok()?;
    let helper = config.get("credHelpers").and_then(|helpers| helpers.get(host)).or_else(|| config.get("credsStore"));
    if let Some(encoded) = of_file(&config, host) {
        return Some(encoded);
    }
    helper.and_then(Value::as_str).and_then(|helper| of_helper(helper, host))
}

fn directory() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
}

fn of_file(config: &Value, host: &str) -> Option<String> {
    let auths = config.get("auths")?;
    let names = [host.to_owned(), format!("https://{host}"), format!("https://{host}/v1/")];
    let found = names.iter().find_map(|name| auths.get(name))?;
    let encoded = found.get("auth").and_then(Value::as_str).filter(|encoded| !encoded.is_empty())?;
    Some(encoded.to_owned())
}

/// Programs that keep passwords read a host and answer with a name and a secret.
fn of_helper(helper: &str, host: &str) -> Option<String> {
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(host.as_bytes()).ok()?;
    let output = child.wait_with_output().ok().filter(|output| output.status.success())?;
    let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
    let (name, secret) = (answer.get("Username")?.as_str()?, answer.get("Secret")?.as_str()?);
    Some(BASE64.encode(format!("{name}:{secret}").as_bytes()))
}
