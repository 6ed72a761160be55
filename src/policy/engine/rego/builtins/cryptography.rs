//! Tests of the builtins that need cryptography, with a key and a certificate made for them. Answers are OPA's.

use super::tests::call_builtin;
use crate::policy::engine::rego::value::{NumberMode, Value, parse_json};

const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
     MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5SQXizCwdRByhCCF\n\
     WdFVlkcUklWm82mOpOwZ1GKp/2OhRANCAASs/ygYr4lS96q+2hYC33DNVHb8ST+R\n\
     /RbLuf7CqYOdntUnmQ1ni2SisLFzRH0YAwqJP57QyZO3aqt0CAvdXRKo\n\
     -----END PRIVATE KEY-----";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
     MIIByTCCAW6gAwIBAgIUCpF19UHQCaub/a5iUNsGfUmFlgEwCgYIKoZIzj0EAwIw\n\
     HzEOMAwGA1UECgwFYWRtaXQxDTALBgNVBAMMBHRlc3QwIBcNMjYxMTIxMTQ1NzE2\n\
     WhgPMjEwOTAxMTAxNDU3MTZaMB8xDjAMBgNVBAoMBWFkbWl0MQ0wCwYDVQQDDAR0\n\
     ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErP8oGK+JUveqvtoWAt9wzVR2\n\
     /Ek/kf0Wy7n+wqmDnZ7VJ5kNZ4tkorCxc0R9GAMKiT+e0MmTt2qrdAgL3V0SqKOB\n\
     hTCBgjAdBgNVHQ4EFgQU+G+uhxtKxwDJ1wXrrpxLYHssKpkwHwYDVR0jBBgwFoAU\n\
     +G+uhxtKxwDJ1wXrrpxLYHssKpkwDwYDVR0TAQH/BAUwAwEB/zAiBgNVHREEGzAZ\n\
     ggNhLmKHBAoAAAGGDHNwaWZmZTovL3gveTALBgNVHQ8EBAMCAgQwCgYIKoZIzj0E\n\
     AwIDSQAwRgIhAIanCNt924fxpxFpGDrFhBupbwgqBja6Z4xFq/wMpPq9AiEAg6DP\n\
     V2UNCBfa+f7Cw/9idQkyaZovSCFOjlwUhzfBevA=\n\
     -----END CERTIFICATE-----\n";
/// In DER and base64.
const REQUEST: &str = "MIHuMIGVAgEAMBIxEDAOBgNVBAMMB3JlcXVlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASs/ygYr4lS96q+2hYC33DNVHb8ST+R/RbLuf7CqYOdntUnmQ1ni2SisLFzRH0YAwqJP57QyZO3aqt0CAvdXRKooCEwHwYJKoZIhvcNAQkOMRIwEDAOBgNVHREEBzAFggNyLnMwCgYIKoZIzj0EAwIDSAAwRQIhANoJ+qRH4kzY6lNHTHMxtw40BnDMd7f8kkFFIo+ZGDyHAiBagz3bG5MOqCh+NtCOZnEUiNN1d2p8QZDxg9pj9y61+w==";
/// The key above as a JSON Web Key.
const JWK: &str = r#"{"crv": "P-256", "d": "5SQXizCwdRByhCCFWdFVlkcUklWm82mOpOwZ1GKp_2M", "kty": "EC", "x": "rP8oGK-JUveqvtoWAt9wzVR2_Ek_kf0Wy7n-wqmDnZ4", "y": "1SeZDWeLZKKwsXNEfRgDCok_ntDJk7dqq3QIC91dEqg"}"#;
/// Signed with the key above: `{"aud": "a", "exp": 4000000000}`.
const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJhIiwiZXhwIjo0MDAwMDAwMDAwfQ.R1sMFMs7kbolf5sTS6M6rAVfQBCD1-aCdBln7YjRLs0VBXL0UducorimxofBsOww7PblK-xwMyVVOqbiFHZUIA";

fn call(name: &str, arguments: &[&str]) -> String {
    let arguments: Vec<Value> = arguments.iter().map(|text| Value::from(*text)).collect();
    call_builtin(name, &Value::array(arguments).to_string())
}

fn fields(text: &str, names: &[&str]) -> String {
    let value = parse_json(text, NumberMode::AsWritten).unwrap();
    let entries = names.iter().map(|name| value.get(&Value::from(*name)).unwrap().to_string());
    entries.collect::<Vec<_>>().join(" ")
}

#[test]
fn certificates_are_shown_as_go_shows_them() {
    let shown = call("crypto.x509.parse_certificates", &[CERTIFICATE]);
    let shown = shown.strip_prefix('[').and_then(|shown| shown.strip_suffix(']')).unwrap();
    let names = ["NotAfter", "DNSNames", "IPAddresses", "URIStrings", "KeyUsage", "SignatureAlgorithm", "MaxPathLen"];
    assert_eq!(fields(shown, &names), r#""2109-01-10T14:57:16Z" ["a.b"] ["10.0.0.1"] ["spiffe://x/y"] 32 10 -1"#);
    assert_eq!(fields(shown, &["SerialNumber"]), "60333791356139260787209178400297964207788627457");
    assert_eq!(call("crypto.x509.parse_certificates", &[KEY]), "undefined");
    assert_eq!(call("crypto.x509.parse_certificates", &["AAAA"]), "undefined");
}

#[test]
fn chains_are_verified() {
    let both = format!("{CERTIFICATE}{CERTIFICATE}");
    let verify = |options: &str| {
        let arguments = format!("[{}, {options}]", Value::from(both.as_str()));
        let answer = call_builtin("crypto.x509.parse_and_verify_certificates_with_options", &arguments);
        answer.chars().take(6).collect::<String>()
    };
    // The clock of these tests stands at 1970.
    assert_eq!(call("crypto.x509.parse_and_verify_certificates", &[&both]), "[false, []]");
    assert_eq!(verify(r#"{"CurrentTime": 1900000000000000000, "DNSName": "a.b"}"#), "[true,");
    assert_eq!(verify(r#"{"CurrentTime": 1900000000000000000, "DNSName": "[::ffff:10.0.0.1]"}"#), "[true,");
    assert_eq!(verify(r#"{"CurrentTime": 1900000000000000000, "DNSName": "b"}"#), "[false");
    assert_eq!(verify(r#"{"CurrentTime": 1.5}"#), "undefi");
    assert_eq!(verify(r#"{"KeyUsages": ["x"]}"#), "undefi");
}

#[test]
fn requests_and_keys_are_shown_as_go_shows_them() {
    let shown = call("crypto.x509.parse_certificate_request", &[REQUEST]);
    assert_eq!(fields(&shown, &["DNSNames", "Version", "PublicKeyAlgorithm"]), r#"["r.s"] 0 3"#);
    let jwk = parse_json(JWK, NumberMode::AsWritten).unwrap().to_string();
    assert_eq!(call("crypto.x509.parse_rsa_private_key", &[KEY]), jwk);
    assert_eq!(call("crypto.parse_private_keys", &[""]), "null");
    let pair = call("crypto.x509.parse_keypair", &[CERTIFICATE, KEY]);
    let key = call("crypto.parse_private_keys", &[KEY]);
    assert_eq!(format!("[{}]", fields(&pair, &["PrivateKey"])), key);
    assert_eq!(call("crypto.x509.parse_keypair", &[KEY, KEY]), "undefined");
}

#[test]
fn tokens_are_verified_by_certificates_and_keys() {
    let altered = TOKEN.replacen("eyJ", "eyI", 1);
    for key in
        [CERTIFICATE, &JWK.replace("\"d\"", "\"x-d\""), &format!("{{\"keys\": [{}]}}", JWK.replace("\"d\"", "\"x-d\""))]
    {
        assert_eq!(call("io.jwt.verify_es256", &[TOKEN, key]), "true");
        assert_eq!(call("io.jwt.verify_es384", &[TOKEN, key]), "false");
        assert_eq!(call("io.jwt.verify_rs256", &[TOKEN, key]), "false");
        assert_ne!(call("io.jwt.verify_es256", &[&altered, key]), "true");
    }
    assert_eq!(call("io.jwt.verify_es256", &[TOKEN, r#"{"keys": []}"#]), "false");
    assert_eq!(call("io.jwt.verify_es256", &[TOKEN, KEY]), "undefined");
    let verify = |constraints: &str| {
        let arguments = format!("[{}, {constraints}]", Value::from(TOKEN));
        call_builtin("io.jwt.decode_verify", &arguments)
    };
    let valid = r#"[true, {"alg": "ES256"}, {"aud": "a", "exp": 4000000000}]"#;
    let certificate = Value::from(CERTIFICATE);
    assert_eq!(verify(&format!(r#"{{"cert": {certificate}, "aud": "a", "time": 0}}"#)), valid);
    for constraint in [r#""aud": "b""#, r#""aud": "a", "time": 4000000000000000000"#, r#""aud": "a", "alg": "RS256""#] {
        assert_eq!(verify(&format!(r#"{{"cert": {certificate}, {constraint}}}"#)), "[false, {}, {}]");
    }
    assert_eq!(verify(r#"{"aud": "a"}"#), "undefined");
    assert_eq!(verify(&format!(r#"{{"cert": {certificate}, "secret": "x"}}"#)), "undefined");
}

#[test]
fn what_is_signed_can_be_verified() {
    let arguments = format!(r#"[{{"alg": "ES384"}}, {{"a": 1}}, {JWK}]"#);
    let token = call_builtin("io.jwt.encode_sign", &arguments);
    let token = token.trim_matches('"');
    assert_eq!(call("io.jwt.verify_es384", &[token, CERTIFICATE]), "true");
    let secret = r#"{"kty": "oct", "k": "c2VjcmV0"}"#;
    let signed = call("io.jwt.encode_sign_raw", &[r#"{"alg":"HS256"}"#, r#"{"a":1}"#, secret]);
    assert_eq!(signed, r#""eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.LrlPmSL4FxrzAHJSYbKzsA997COXdYCeFKlt3zt5DIY""#);
    assert_eq!(call("io.jwt.encode_sign_raw", &[r#"{"alg":"HS256"}"#, "x", secret]), "undefined");
    assert_eq!(call("io.jwt.encode_sign_raw", &[r#"{"alg":"none"}"#, "1", secret]), "undefined");
}

#[test]
fn requests_to_aws_are_signed() {
    let arguments = r#"[{"url": "https://h/a b?q=1", "method": "GET", "headers": {"A": "b"}, "body": {"x": 1}}, {"aws_service": "s3", "aws_access_key": "AK", "aws_secret_access_key": "SK", "aws_region": "us"}, 1700000000000000000]"#;
    let signed = call_builtin("providers.aws.sign_req", arguments);
    let headers = fields(&signed, &["headers"]);
    assert_eq!(
        fields(&headers, &["Authorization"]),
        r#""AWS4-HMAC-SHA256 Credential=AK/20231114/us/s3/aws4_request,SignedHeaders=a;host;x-amz-content-sha256;x-amz-date,Signature=462df5de665eb04f025c52be19baa666f307fb78fc72b55eca62c24cb221cb1b""#
    );
}
