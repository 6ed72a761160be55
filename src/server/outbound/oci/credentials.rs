//! Who to be for a registry: what `docker login` has kept, in its file or with a helper.
//!
//! A helper of the host is asked first, then the one for all, then the file: an entry beside a helper is an old one.
//! What goes wrong is kept as words, since an image may be had without logging in.

use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;

use super::helper;
use super::reference::ImageName;

/// Docker keeps its own registry under this name.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";
/// In place of a name, it says that the secret is a token.
const IS_TOKEN: &str = "<token>";

/// What proves who one is.
#[derive(Clone)]
pub(super) enum Login {
    /// The value of a `Basic` authorization.
    Basic(String),
    /// For the token server.
    Identity(String),
    /// For the registry itself.
    Registry(String),
}

/// What was found, and what is to be said about it.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub(super) login: Option<Login>,
    /// Where it was found, or why nothing was: fits after a semicolon.
    pub(super) account: String,
}

impl Credentials {
    /// Looks for them.
    pub(super) fn find(image: &ImageName) -> Self {
        let Some(path) = directory().map(|directory| directory.join("config.json")) else {
            return Self::none(image, "neither DOCKER_CONFIG nor HOME says where docker keeps them");
        };
        let file = path.display();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Self::none(image, &format!("there is no file {file}"));
            }
            Err(error) => return Self::none(image, &format!("{file} cannot be read: {error}")),
        };
        match serde_json::from_str(&text) {
            Ok(config) => find_in(&config, &file.to_string(), image, helper::PATIENCE),
            // The words of the parser show a place, no secrets.
            Err(error) => Self::none(image, &format!("{file} is no JSON: {error}")),
        }
    }

    fn none(image: &ImageName, why: &str) -> Self {
        let host = &image.host;
        Self {
            login: None,
            account: format!("no credentials for {host} were found ({why}); log in with `docker login {host}`"),
        }
    }

    fn some(login: Login, image: &ImageName, place: &str) -> Self {
        Self { login: Some(login), account: format!("it was asked with the credentials for {} of {place}", image.host) }
    }
}

fn directory() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")))
}

fn find_in(config: &Value, file: &str, image: &ImageName, patience: Duration) -> Credentials {
    let key = if image.host == "docker.io" { DOCKER_KEY } else { &image.host };
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(key).or_else(|| helpers.get(&image.host)));
    let named = own.or_else(|| config.get("credsStore")).and_then(Value::as_str).filter(|name| !name.is_empty());
    let mut why = format!("{file} has none");
    if let Some(name) = named {
        match helper::ask(name, key, patience) {
            Ok(Some((user, secret))) => {
                let login = if user == IS_TOKEN { Login::Identity(secret) } else { basic(&user, &secret) };
                return Credentials::some(login, image, &format!("docker-credential-{name}, which {file} names"));
            }
            Ok(None) => why = format!("docker-credential-{name}, which {file} names, has none"),
            Err(error) => why = format!("{error}; {file} names it"),
        }
    }
    match of_file(config, image) {
        Some(Ok(login)) => Credentials::some(login, image, file),
        Some(Err(wrong)) => Credentials::none(image, &format!("the entry in {file} {wrong}")),
        None => Credentials::none(image, &why),
    }
}

fn basic(user: &str, password: &str) -> Login {
    Login::Basic(BASE64.encode(format!("{user}:{password}").as_bytes()))
}

/// The entry that fits best: one for the repository before one for the host.
fn of_file(config: &Value, image: &ImageName) -> Option<Result<Login, &'static str>> {
    let entries = config.get("auths")?.as_object()?.iter();
    let fitting = entries.filter_map(|(key, entry)| Some((fit(key, image)?, entry)));
    let usable = fitting.filter_map(|(length, entry)| Some((length, login(entry)?)));
    usable.max_by_key(|(length, _)| *length).map(|(_, login)| login)
}

/// How much of an image's name a key is; nothing if it is another's.
fn fit(key: &str, image: &ImageName) -> Option<usize> {
    let bare =
        key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key).trim_end_matches('/');
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    if host != image.host {
        return None;
    }
    match path {
        "" | "v1" | "v2" => Some(0),
        path => {
            let rest = image.repository.strip_prefix(path)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(path.len())
        }
    }
}

/// Docker leaves empty entries behind where a helper has the password.
fn login(entry: &Value) -> Option<Result<Login, &'static str>> {
    let text = |key: &str| entry.get(key)?.as_str().filter(|text| !text.is_empty());
    if let Some(token) = text("registrytoken") {
        return Some(Ok(Login::Registry(token.to_owned())));
    }
    if let Some(token) = text("identitytoken") {
        return Some(Ok(Login::Identity(token.to_owned())));
    }
    if let Some(encoded) = text("auth") {
        let decoded = BASE64.decode(encoded.trim().as_bytes()).ok().filter(|decoded| decoded.contains(&b':'));
        return Some(match decoded {
            Some(decoded) => Ok(Login::Basic(BASE64.encode(&decoded))),
            None => Err("has an auth that is not Base64 of name:password"),
        });
    }
    Some(Ok(basic(text("username")?, text("password")?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(auths: &Value, image: &str, expected: Option<&str>) {
        let image: ImageName = image.parse().unwrap();
        let found = find_in(&json!({ "auths": auths }), "config.json", &image, helper::PATIENCE);
        let found = found.login.map(|login| match login {
            Login::Basic(encoded) => format!("basic {encoded}"),
            Login::Identity(token) => format!("identity {token}"),
            Login::Registry(token) => format!("registry {token}"),
        });
        assert_eq!(found.as_deref(), expected, "{image} {auths}");
    }

    #[test]
    fn reads_entries_as_docker_writes_them() {
        let image = "r.example.com:5000/team/policies:v1";
        let entry = json!({"auth": "dTpw"});
        for key in [
            "r.example.com:5000",
            "https://r.example.com:5000",
            "http://r.example.com:5000/",
            "https://r.example.com:5000/v2/",
        ] {
            check(&json!({ key: entry }), image, Some("basic dTpw"));
        }
        check(&json!({"r.example.com": entry, "r.example.com:5000/tea": entry, "x.example.com": entry}), image, None);
        let nested = json!({"r.example.com:5000": {"auth": "eDp4"}, "r.example.com:5000/team": entry});
        check(&nested, image, Some("basic dTpw"));
        check(&json!({"r.example.com:5000": {"username": "u", "password": "p"}}), image, Some("basic dTpw"));
        check(&json!({"r.example.com:5000": {"auth": "dTpw", "identitytoken": "t"}}), image, Some("identity t"));
        check(&json!({"r.example.com:5000": {"registrytoken": "t"}}), image, Some("registry t"));
        check(&json!({"r.example.com:5000": {}}), image, None);
        check(&json!({"r.example.com:5000": {"auth": "no base64"}}), image, None);
        check(&json!({"https://index.docker.io/v1/": entry}), "docker.io/policies:v1", Some("basic dTpw"));
    }
}
