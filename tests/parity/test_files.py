"""Directories of settings: the same when they say the same, and what differs is at its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.model import Environment
from anomalyd.parity import files
from anomalyd.parity.asking import Collected
from anomalyd.parity.differences import Difference, Parity, compare
from anomalyd.parity.files import FilesError, collect, shared_name
from anomalyd.parity.secrets import Mask

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: pricing, namespace: %s, uid: "%s", labels: {app: pricing}}
spec:
  replicas: %s
  template:
    spec:
      containers:
      - name: app
        image: shop/pricing:v2
        env: [{name: REGION, value: eu}, {name: DB_PASSWORD, value: %s}]
        resources: {limits: {cpu: %s, memory: %s}}
status: {replicas: %s}
"""


def write(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("_dot_", ".").replace("_dash_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def collected(tmp_path: Path, staging: dict[str, str], production: dict[str, str]) -> Parity:
    mask = Mask()
    sides: list[list[Collected]] = []
    for side, texts in ((Environment.STAGING, staging), (Environment.PRODUCTION, production)):
        root = tmp_path / side
        root.mkdir()
        sides.append([collect(side, write(root, **texts), mask)])
    return compare(sides[0], sides[1], [], 0.0)


def told(rows: tuple[Difference, ...]) -> dict[str, tuple[str | None, str | None]]:
    return {
        f"{row.kind.name} {row.place}": (
            row.staging.value if row.staging else None,
            row.production.value if row.production else None,
        )
        for row in rows
    }


def test_a_manifest_is_found_by_kind_and_name_in_whichever_file(tmp_path: Path) -> None:
    pricing = DEPLOYMENT % ("shop-stg", "a1", 2, "one", "500m", "1Gi", 2)
    other = DEPLOYMENT % ("shop", "b2", 10, "one", "0.5", "1024Mi", 10)
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: pricing}\nspec: {ports: [80]}\n"
    found = collected(
        tmp_path,
        {"all_dot_yaml": f"{service}---{pricing}"},
        {"k8s__pricing_dot_yml": other, "k8s__service_dot_yaml": service},
    )
    assert told(found.drift) == {"setting Deployment/pricing spec.replicas": ("2", "10")}


def test_a_limit_that_differs_is_at_its_container(tmp_path: Path) -> None:
    found = collected(
        tmp_path,
        {"a_dot_yaml": DEPLOYMENT % ("a", "", 2, "one", "500m", "1Gi", 2)},
        {"a_dot_yaml": DEPLOYMENT % ("a", "", 2, "two", "2", "1Gi", 2)},
    )
    path = "Deployment/pricing spec.template.spec.containers[app]"
    rows = told(found.drift)
    assert rows.pop(f"setting {path}.resources.limits.cpu") == ("500m", "2")
    (secret,) = rows.items()
    assert secret[0] == f"secret {path}.env[DB_PASSWORD].value"
    assert all(value and value.startswith("‹secret ") for value in secret[1])


def test_a_manifest_that_is_missing_is_one_row(tmp_path: Path) -> None:
    one = DEPLOYMENT % ("a", "", 2, "one", "500m", "1Gi", 2)
    kept = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: c}\n"
    found = collected(tmp_path, {"a_dot_yaml": kept}, {"a_dot_yaml": f"{kept}---{one}"})
    assert told(found.drift) == {"manifest Deployment/pricing": (None, "present")}
    assert "8 facts" in found.drift[0].detail


def test_everything_in_a_manifest_of_secrets_is_masked(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {user: YWRtaW4=}\n"
    found = collected(tmp_path, {"s_dot_yaml": text}, {"s_dot_yaml": text.replace("YW", "ZZ")})
    (row,) = found.drift
    assert row.kind.name == "secret"
    assert "YWRtaW4=" not in str(row)
    assert row.staging is not None
    assert row.production is not None
    assert row.staging.value != row.production.value


@pytest.mark.parametrize(
    ("name", "staging", "production", "expected"),
    [
        ("app_dot_env", "A=1\n# x\nexport B='two'", "B=two # why\nA=1", {}),
        ("app_dot_env", "A=1", "A=2", {"setting app.env A": ("1", "2")}),
        ("a_dot_properties", "a.b = 1\nc: d\\\n  e", "c=de\na.b:1", {}),
        ("a_dot_properties", "a=\\u0041", "a=A", {}),
        ("a_dot_toml", "[x]\ny = 1", "x.y = 2", {"setting a.toml x.y": ("1", "2")}),
        ("a_dot_json", '{"a": [1, "2"]}', '{"a": [1]}', {"setting a.json a": ('[1, "2"]', "[1]")}),
        ("a_dot_json", '{"a": ["b"]}', '{"a": ["c"]}', {"setting a.json a": ('["b"]', '["c"]')}),
        ("a_dot_json", '{"a": ["b"]}', '{"a": "[b]"}', {"setting a.json a": ('["b"]', '"[b]"')}),
        ("a_dot_json", '{"a": 1}', '{"a": "1"}', {"setting a.json a": ("1", '"1"')}),
        ("a_dot_yaml", "a: 1.0", "a: 1", {}),
        ("a_dot_yaml", "a: yes", "a: true", {}),
        ("a_dot_yaml", "a: 2027-01-31", "a: '2027-01-31'", {}),
        ("a_dot_yaml", "a: !Ref b", "a: !Ref c", {"setting a.yaml a": ("!Ref b", "!Ref c")}),
        ("a_dot_yaml", "a: []", "a: {}", {"setting a.yaml a": ("[]", "{}")}),
    ],
)  # fmt: skip
def test_formats_are_compared_by_what_they_say(
    tmp_path: Path,
    name: str,
    staging: str,
    production: str,
    expected: dict[str, tuple[str, str]],
) -> None:
    found = collected(tmp_path, {name: staging}, {name: production})
    assert told(found.drift) == expected


def test_the_environments_name_in_a_path_does_not_count(tmp_path: Path) -> None:
    found = collected(
        tmp_path,
        {"values_dash_staging_dot_yaml": "a: 1"},
        {"values_dash_production_dot_yaml": "a: 2"},
    )
    assert told(found.drift) == {"setting values-*.yaml a": ("1", "2")}


def test_a_word_that_only_holds_the_environments_name_stays() -> None:
    assert shared_name(Path("products/stages.yaml")) == "products/stages.yaml"


def test_a_file_that_is_not_what_its_name_says_is_a_row(tmp_path: Path) -> None:
    found = collected(tmp_path, {"a_dot_yaml": "a: {{ .Values.a }}"}, {"a_dot_yaml": "a: 1"})
    kinds = {row.kind.name for row in found.drift}
    assert "not-compared" in kinds
    (row,) = [row for row in found.drift if row.kind.name == "not-compared"]
    assert "line 1" in row.detail


def test_aliases_that_multiply_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_SETTINGS", 500)
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    text = "\n".join(["l0: &l0 [{a: 1}, {a: 2}]", *levels])
    found = collect(Environment.STAGING, write(tmp_path, a_dot_yaml=text), Mask())
    assert len(found.facts) <= 502
    assert "settings" in found.notes[str(tmp_path)]


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 10)
    found = collect(Environment.STAGING, write(tmp_path, a_dot_json='{"a": 123456}'), Mask())
    assert "larger than 10 bytes" in found.notes["a.json"]
    assert found.facts == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"a": 1}')
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.json").symlink_to(tmp_path / "secret.json")
    found = collect(Environment.STAGING, root, Mask())
    assert found.facts == []
    assert "link" in found.notes["a.json"]


def test_a_directory_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FilesError, match="is not a directory; name one that holds"):
        collect(Environment.STAGING, tmp_path / "absent", Mask())


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(TREES)
def test_any_json_is_equal_to_itself_and_is_never_lost(tree: object) -> None:
    walks = [
        files.Walk(side, Path("x"), Mask(b"k"), str, Collected(side))
        for side in (Environment.STAGING, Environment.PRODUCTION)
    ]
    for walk in walks:
        walk.collected.offered.add(files.Part.FILES)
        files._settings(walk, json.loads(json.dumps(tree)), "a.json", Path("a.json"))
    found = compare([walks[0].collected], [walks[1].collected], [], 0.0)
    assert found.drift == ()
    assert found.equal == len(walks[0].collected.facts) > 0
