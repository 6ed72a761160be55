//! Policies out of a registry.

mod registry;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use registry::{Store, digest_of, serve, serve_tls};

const TEMPLATE: &str = include_str!("../../policies/general/allowedrepos/template.yaml");
const CONSTRAINT: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sAllowedRepos
metadata: {name: approved}
spec:
  match: {kinds: [{apiGroups: [''], kinds: [Pod]}]}
  parameters: {repos: [registry.example.com/approved]}
";
const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec:
  containers:
  - name: app
    image: elsewhere.example.com/app:1
";
/// `u:p`
const BASIC: &str = "dTpw";

fn policies() -> Store {
    let mut store = Store::default();
    store.titled("template.yaml", TEMPLATE.as_bytes()).titled("constraint.yaml", CONSTRAINT.as_bytes());
    store
}

/// A registry that wants name and password.
fn guarded() -> u16 {
    let mut store = policies();
    store.tag();
    serve(move |asked, _| {
        if asked.head.contains(&format!("authorization: Basic {BASIC}")) {
            return store.answer(&asked.path);
        }
        (401, "www-authenticate: Basic realm=\"tests\"\r\n".to_owned(), b"{}".to_vec())
    })
}

/// How to run lint: where docker's file is, programs beside it.
struct Lint {
    directory: tempfile::TempDir,
}

impl Lint {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("pod.yaml"), POD).unwrap();
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn config(self, config: &Value) -> Self {
        std::fs::write(self.path().join("config.json"), config.to_string()).unwrap();
        self
    }

    fn helper(self, name: &str, script: &str) -> Self {
        let path = self.path().join(format!("docker-credential-{name}"));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn command(&self, image: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
        let path = format!("{}:{}", self.path().display(), std::env::var("PATH").unwrap());
        command.args(["lint", "-o", "json", "--image", image, "pod.yaml"]).current_dir(self.path());
        command.env("DOCKER_CONFIG", self.path()).env("PATH", path);
        command
    }

    fn run(&self, image: &str) -> Output {
        self.command(image).arg("--plain-http").output().unwrap()
    }

    #[track_caller]
    fn finds(&self, image: &str) {
        finds(&self.run(image));
    }

    #[track_caller]
    fn fails(&self, image: &str, code: i32, words: &[&str]) {
        fails(&self.run(image), code, words);
    }
}

fn image(port: u16) -> String {
    format!("127.0.0.1:{port}/team/policies:v1")
}

#[track_caller]
fn finds(output: &Output) {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(report["findings"][0]["constraint"], "approved", "{report} {errors}");
    assert_eq!(report["findings"][0]["place"]["line"], 7);
    assert_eq!(output.status.code(), Some(1));
}

#[track_caller]
fn fails(output: &Output, code: i32, words: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(errors.contains(word), "expected {word:?} in: {errors}");
    }
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), b"".as_slice()), "{errors}");
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, path, text) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        if *kind == EntryType::Regular {
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, path, text.as_bytes()).unwrap();
        } else {
            header.set_size(0);
            builder.append_link(&mut header, path, text).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn plain_archive() -> Vec<u8> {
    archive(&[(EntryType::Regular, "p/t.yaml", TEMPLATE), (EntryType::Regular, "p/c.yaml", CONSTRAINT)])
}

#[test]
fn an_image_is_a_place_for_policies() {
    let mut store = policies();
    let index = store.titled("README.md", b"# text").tag();
    let port = store.open();
    Lint::new().finds(&image(port));
    Lint::new().finds(&format!("127.0.0.1:{port}/team/policies@{index}"));
}

#[test]
fn what_does_not_fit_its_digest_or_is_not_there_is_refused() {
    let mut store = policies();
    let index = store.tag();
    let other = format!("sha256:{}", "0".repeat(64));
    store.answers.insert(format!("/v2/team/policies/manifests/{other}"), b"{}".to_vec());
    let port = store.open();
    let found = format!("what came has the digest {}, expected {other}", digest_of(b"{}"));
    Lint::new().fails(&format!("127.0.0.1:{port}/team/policies@{other}"), 4, &[&found]);
    let absent = "manifests/v2: there is no such image";
    Lint::new().fails(&format!("127.0.0.1:{port}/team/policies:v2"), 4, &[absent]);
    let latest = "manifests/latest: there is no such image (status 404); no tag was given, which means latest";
    Lint::new().fails(&format!("127.0.0.1:{port}/team/policies"), 4, &[latest]);
    for (path, bytes) in &mut store.answers {
        if path.contains("blobs") {
            *bytes = b"something else".to_vec();
        }
    }
    let spoilt = serve(move |asked, _| store.answer(&asked.path));
    Lint::new().fails(&format!("127.0.0.1:{spoilt}/team/policies@{index}"), 4, &["what came has the digest sha256:"]);
}

#[test]
fn digests_that_cannot_be_checked_are_a_wrong_command_line() {
    let port = policies().open();
    let (upper, long) = (format!("SHA256:{}", "0".repeat(64)), format!("sha512:{}", "0".repeat(128)));
    for version in ["v1", "sha256:00", "md5:00", upper.as_str(), long.as_str()] {
        let why =
            "expected the name of an image such as registry.example.com/team/policies:v1: what follows @ is no sha256:";
        Lint::new().fails(&format!("127.0.0.1:{port}/team/policies@{version}"), 3, &["invalid value", why]);
    }
    Lint::new().fails(&format!("https://{}", image(port)), 3, &["leave out https://"]);
    Lint::new().fails(&format!("127.0.0.1:{port}/Team/policies"), 3, &["expected lower case"]);
}

#[test]
fn links_are_followed_or_refused() {
    use EntryType::{Link, Regular, Symlink};
    for (kind, target) in [(Symlink, "../real/x"), (Link, "real/x")] {
        let files = [(Regular, "real/x", CONSTRAINT), (kind, "p/c.yaml", target), (Regular, "p/t.yaml", TEMPLATE)];
        Lint::new().finds(&image(Store::default().part(&packed(&archive(&files))).open()));
    }
    let broken = archive(&[(Regular, "p/t.yaml", TEMPLATE), (Symlink, "p/c.yaml", "../gone")]);
    let why = "it has p/c.yaml, a link to ../gone, which is not there";
    Lint::new().fails(&image(Store::default().part(&packed(&broken)).open()), 4, &[why]);
}

#[test]
fn later_layers_replace_and_take_away() {
    use EntryType::Regular;
    let below = packed(&archive(&[
        (Regular, "p/t.yaml", TEMPLATE),
        (Regular, "p/c.yaml", "old: [and broken"),
        (Regular, "p/gone.yaml", "old: [and broken"),
        (Regular, "q/gone.yaml", "old: [and broken"),
    ]));
    let above = [(Regular, "p/c.yaml", CONSTRAINT), (Regular, "p/.wh.gone.yaml", ""), (Regular, "q/.wh..wh..opq", "")];
    Lint::new().finds(&image(Store::default().part(&below).part(&archive(&above)).open()));
    let mut twice = policies();
    twice.titled("constraint.yaml", b"other: true");
    Lint::new().fails(&image(twice.open()), 4, &["found two files with the name constraint.yaml"]);
}

#[test]
fn what_holds_no_policies_is_not_pulled() {
    let mut store = policies();
    store.titled("video.bin", b"long").layer(None, "application/vnd.in-toto+json", b"{}");
    store.layer(None, "application/vnd.oci.empty.v1+json", b"{ }");
    store.layers.iter_mut().skip(2).for_each(|layer| layer["size"] = json!(1_u64 << 40));
    store.answers.retain(|_, bytes| bytes.len() > 4);
    Lint::new().finds(&image(store.open()));
    let nothing = Store::default().titled("README.md", b"# text").open();
    Lint::new().fails(&image(nothing), 4, &["found no .yaml, .yml or .json file in it, but README.md"]);
    let mut large = policies();
    large.layers[0]["size"] = json!(70_u64 << 20);
    Lint::new().fails(&image(large.open()), 4, &["its layer template.yaml has 70 MiB, expected at most 64"]);
}

#[test]
fn archives_are_unpacked_whole() {
    let archive = plain_archive();
    Lint::new().finds(&image(Store::default().titled("p.tar.gz", &packed(&archive)).open()));
    let (one, other) = archive.split_at(archive.len() / 2);
    let members = [packed(one), packed(other)].concat();
    Lint::new().finds(&image(Store::default().part(&members).open()));
    let zstd = Store::default().part(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0]).open();
    Lint::new().fails(&image(zstd), 4, &["is packed: found zstd, expected tar or gzip"]);
    // A header alone, which promises more than comes.
    let cut = Store::default().part(archive.get(..512).unwrap()).open();
    Lint::new().fails(&image(cut), 4, &["cannot be unpacked"]);
}

#[test]
fn an_index_is_no_game_of_chance() {
    let mut store = policies();
    store.tag();
    let two = json!({"manifests": [{"digest": digest_of(b"a")}, {"digest": digest_of(b"b")}]}).to_string();
    for (tag, index) in [("two", two.as_str()), ("empty", r#"{"manifests": []}"#), ("old", r#"{"fsLayers": []}"#)] {
        store.answers.insert(format!("/v2/team/policies/manifests/{tag}"), index.as_bytes().to_vec());
    }
    let port = store.open();
    for (tag, why) in
        [("two", "index of 2 images"), ("empty", "index without any image"), ("old", "Docker's first format")]
    {
        Lint::new().fails(&format!("127.0.0.1:{port}/team/policies:{tag}"), 4, &[why]);
    }
}

#[test]
fn helpers_are_asked_and_heard() {
    let port = guarded();
    let lint = |script: &str| Lint::new().config(&json!({"credsStore": "tests"})).helper("tests", script);
    lint(r#"exec 0<&-; sleep 0.1; echo '{"Username":"u","Secret":"p"}'"#).finds(&image(port));
    lint(&format!(r#"test "$(cat)" = 127.0.0.1:{port} && echo '{{"Username":"u","Secret":"p"}}'"#)).finds(&image(port));
    let told = [
        "docker-credential-tests failed with exit status: 1: the vault is shut",
        "log in with `docker login 127.0.0.1:",
    ];
    lint("echo the vault >&1; echo is shut >&2; exit 1").fails(&image(port), 4, &told);
    lint("echo credentials not found in native keychain; exit 1").fails(
        &image(port),
        4,
        &["config.json names, has none"],
    );
    let secret = lint("echo my-secret").run(&image(port));
    fails(&secret, 4, &["docker-credential-tests answers with something else than JSON"]);
    assert!(!String::from_utf8_lossy(&secret.stderr).contains("my-secret"));
    let absent = Lint::new().config(&json!({"credHelpers": {format!("127.0.0.1:{port}"): "absent"}}));
    absent.fails(&image(port), 4, &["there is no program docker-credential-absent"]);
    // A helper is asked before an entry, which may be an old one.
    let auths = json!({format!("127.0.0.1:{port}"): {"auth": "eDp4"}});
    let stale = Lint::new().config(&json!({"credsStore": "tests", "auths": auths}));
    stale.helper("tests", r#"echo '{"Username":"u","Secret":"p"}'"#).finds(&image(port));
}

#[test]
fn it_is_said_which_credentials_were_used() {
    let port = guarded();
    let host = format!("127.0.0.1:{port}");
    let with = |entry: Value| Lint::new().config(&json!({"auths": {&host: entry}}));
    with(json!({"auth": BASIC})).finds(&image(port));
    with(json!({"username": "u", "password": "p"})).finds(&image(port));
    let wrong = format!(
        "the registry refuses the password for {host} (status 401); it was asked with the credentials for {host}"
    );
    with(json!({"auth": "eDp4"})).fails(&image(port), 4, &[&wrong, "config.json; log in again"]);
    let none = format!("no credentials for {host} were found (there is no file");
    Lint::new().fails(&image(port), 4, &[&none, "docker login"]);
    let broken = Lint::new();
    std::fs::write(broken.path().join("config.json"), "{").unwrap();
    broken.fails(&image(port), 4, &["config.json is no JSON"]);
    // Empty means unset: what lies in the working directory is somebody else's.
    let here = with(json!({"auth": BASIC}));
    let home = tempfile::tempdir().unwrap();
    let mut command = here.command(&image(port));
    command.arg("--plain-http").env("DOCKER_CONFIG", "").env("HOME", home.path());
    fails(&command.output().unwrap(), 4, &["there is no file", "/.docker/config.json"]);
}

/// A registry with a token server; what the server was asked is kept.
fn with_tokens(scheme: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let mut store = policies();
    store.tag();
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked_for);
    let port = serve(move |asked, port| {
        if asked.path.starts_with("/token") {
            log.lock().unwrap().push(format!("{} {}", asked.path, asked.body));
            let is_known = !asked.head.contains("Basic") || asked.head.contains(&format!("Basic {BASIC}"));
            let is_fresh = asked.body.is_empty() || asked.body.contains("refresh_token=again&");
            return match is_known && is_fresh {
                true => (200, String::new(), br#"{"token": "", "access_token": "let-me-in"}"#.to_vec()),
                false => (401, String::new(), br#"{"errors": [{"message": "incorrect name or password"}]}"#.to_vec()),
            };
        }
        if asked.head.contains("Bearer let-me-in") {
            return store.answer(&asked.path);
        }
        let realm = format!("http://127.0.0.1:{port}/token?from=tests");
        let challenge = format!("{scheme} realm=\"{realm}\",service=\"a & b\",scope=\"repository:team/policies:pull\"");
        (401, format!("www-authenticate: {challenge}\r\n"), b"{}".to_vec())
    });
    (port, asked_for)
}

#[test]
fn tokens_are_fetched_as_the_registry_says() {
    let (port, asked) = with_tokens("bearer");
    Lint::new().finds(&image(port));
    let expected = "/token?from=tests&service=a%20%26%20b&scope=repository:team/policies:pull ";
    assert_eq!(*asked.lock().unwrap(), [expected]);
    let (port, asked) = with_tokens("Negotiate, Bearer");
    let host = format!("127.0.0.1:{port}");
    let with = |entry: Value| Lint::new().config(&json!({"auths": {&host: entry}}));
    with(json!({"auth": BASIC})).finds(&image(port));
    with(json!({"identitytoken": "again"})).finds(&image(port));
    let forms = asked.lock().unwrap().join("\n");
    assert!(
        forms.contains("grant_type=refresh_token&refresh_token=again&client_id=admit&service=a%20%26%20b"),
        "{forms}"
    );
    with(json!({"registrytoken": "let-me-in"})).finds(&image(port));
    let helper = r#"echo '{"Username":"<token>","Secret":"again"}'"#;
    Lint::new().config(&json!({"credsStore": "tests"})).helper("tests", helper).finds(&image(port));
    let wrong = format!("the token server refuses the password for {host} (status 401: incorrect name or password)");
    with(json!({"auth": "eDp4"})).fails(&image(port), 4, &[&wrong]);
}

#[test]
fn a_registry_has_words_and_pauses() {
    let said = |status: u16, extra: &str, body: &str| {
        let (extra, body) = (extra.to_owned(), body.as_bytes().to_vec());
        image(serve(move |_, _| (status, extra.clone(), body.clone())))
    };
    let words = r#"{"errors": [{"code": "X", "message": "the disk is full"}]}"#;
    Lint::new().fails(&said(500, "", words), 4, &["answers with status 500: the disk is full"]);
    Lint::new().fails(&said(403, "", words), 4, &["the registry refuses (status 403: the disk is full)"]);
    let busy = "status 429: the disk is full; it wants to be asked again in 30 s";
    Lint::new().fails(&said(429, "retry-after: 30\r\n", words), 4, &[busy]);
    Lint::new().fails(
        &said(200, "", "<html>"),
        4,
        &["its answer is no JSON", r#"begins with "<html>"; is 127.0.0.1:"#],
    );
    let negotiate = "www-authenticate: Negotiate\r\n";
    Lint::new().fails(&said(401, negotiate, ""), 4, &["found logins by negotiate, expected Bearer or Basic"]);
    let mut store = policies();
    store.tag();
    let times = Mutex::new(0);
    let once = serve(move |asked, _| {
        let mut times = times.lock().unwrap();
        *times += 1;
        if *times == 1 { (503, "retry-after: 0\r\n".to_owned(), Vec::new()) } else { store.answer(&asked.path) }
    });
    Lint::new().finds(&image(once));
}

#[test]
fn who_mixes_up_tls_is_told() {
    let lint = Lint::new();
    let port = policies().open();
    fails(&lint.command(&image(port)).output().unwrap(), 4, &["it does not speak TLS", "give --plain-http"]);
    let tls = serve(|_, _| (400, String::new(), b"Client sent an HTTP request to an HTTPS server.\n".to_vec()));
    lint.fails(&image(tls), 4, &["it speaks TLS; leave out --plain-http"]);
}

#[test]
fn an_authority_is_trusted_by_its_file() {
    let mut store = policies();
    store.tag();
    let (port, pem) = serve_tls(move |asked, _| store.answer(&asked.path));
    let lint = Lint::new();
    std::fs::write(lint.path().join("authority.pem"), pem).unwrap();
    let with = |file: &str| lint.command(&image(port)).env("SSL_CERT_FILE", file).output().unwrap();
    let unknown =
        "its certificate is of an authority that is not trusted; name a file with the authority's certificate";
    fails(&lint.command(&image(port)).env_remove("SSL_CERT_FILE").output().unwrap(), 4, &[unknown]);
    fails(&with("absent.pem"), 4, &[unknown, "No such file or directory (os error 2) at 'absent.pem'"]);
    finds(&with("authority.pem"));
}

#[test]
fn docker_io_is_asked_where_it_listens() {
    // A proxy that lets nobody through, so that nothing leaves this machine.
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let proxy = serve(move |asked, _| {
        log.lock().unwrap().push(asked.path.clone());
        (403, String::new(), Vec::new())
    });
    let lint = Lint::new();
    let mut command = lint.command("docker.io/policies:v1");
    for name in ["no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    for name in ["ALL_PROXY", "HTTPS_PROXY", "all_proxy", "https_proxy"] {
        command.env(name, format!("http://127.0.0.1:{proxy}"));
    }
    fails(&command.output().unwrap(), 4, &["https://registry-1.docker.io/v2/library/policies/manifests/v1: "]);
    assert_eq!(*asked.lock().unwrap(), ["registry-1.docker.io:443"]);
}
