//! OPA itself as the judge: the binary named by the environment variable `OPA`, one server for each version of Rego,
//! on the loopback interface.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use admit::model::api::RegoVersion;
use serde_json::{Value, json};

use super::answer::Answer;

pub(super) struct Opa {
    process: Child,
    address: String,
}

impl Opa {
    pub(super) fn start(binary: &Path, version: RegoVersion) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(binary);
        command.args(["run", "--server", "--disable-telemetry", "--log-level", "error", "--addr", &address]);
        if version == RegoVersion::V0 {
            command.arg("--v0-compatible");
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "OPA does not listen on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, address }
    }

    /// Loads a module; its mistakes when it has some.
    pub(super) fn load(&self, module: &str) -> Result<(), Answer> {
        let (status, body) = self.request("PUT", "/v1/policies/m", module);
        if status == 200 {
            return Ok(());
        }
        let errors = body["errors"].as_array().into_iter().flatten();
        let show = |error: &Value| {
            format!("{}: {} ({}) {}", error["code"], error["message"], error["location"]["row"], error["details"])
        };
        Err(Answer::Refused(errors.map(show).collect::<Vec<_>>().join("; ")))
    }

    /// The value of a path below `data`.
    pub(super) fn ask(&self, path: &str, input: &Value) -> Answer {
        let (status, body) = self.request("POST", &format!("/v1/data/{path}"), &json!({"input": input}).to_string());
        match (status, body.get("result")) {
            (200, Some(value)) => Answer::Value(value.clone()),
            (200, None) => Answer::Undefined,
            _ => Answer::Failed(body.to_string()),
        }
    }

    /// HTTP/1.0, so that the answer ends with the connection.
    fn request(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!("{method} {path} HTTP/1.0\r\nHost: opa\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

impl Drop for Opa {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
