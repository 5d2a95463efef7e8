"""The settings: defaults that work on a laptop, and for each wrong value an error that says what is allowed."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.writers.openai import OpenAISettings
from store.leases import LONGEST
from waymark.settings import HIDDEN, Loaded, SettingsError, load, setting_name, unknown_settings
from waymark.wiring import ATTEMPT_SLACK
from workers.turns import LEASE


@pytest.fixture
def read(tmp_path: Path):
    """Read settings from an environment, with `.env` and home in a folder of their own."""

    def _read(**environment: str) -> Loaded:
        given = {"WAYMARK_HOME": str(tmp_path / "home"), **environment}
        return load(environment=given, dotenv=tmp_path / ".env")

    return _read


def test_the_defaults_are_those_of_the_contract(read) -> None:
    """Nothing configured: everything is local."""
    settings = read().settings
    assert settings.http_address == "127.0.0.1:8800"
    assert settings.links_begin_with() == "http://127.0.0.1:8800"
    assert settings.event_lead == timedelta(hours=24)
    assert (settings.deliver, settings.in_doubt) == ("all", "leave")
    assert settings.mail_from == "Learning <learning@localhost.localdomain>"
    assert settings.database() == f"sqlite+aiosqlite:///{settings.home}/waymark.db"
    assert (settings.temporal_address, settings.kafka_bootstrap, settings.smtp_url) == (None, None, None)


def test_the_environment_wins_over_the_file_and_the_file_over_the_home(read, tmp_path: Path) -> None:
    """Each value says where it came from."""
    (tmp_path / "home").mkdir()
    started = {"kafka_bootstrap": "127.0.0.1:3", "smtp_url": "smtp://127.0.0.1:2", "temporal_address": "127.0.0.1:1"}
    (tmp_path / "home" / "stack.json").write_text(json.dumps({"settings": started}))
    (tmp_path / ".env").write_text("WAYMARK_KAFKA_BOOTSTRAP=file:3\nWAYMARK_SMTP_URL=smtp://file:2\n")
    loaded = read(WAYMARK_KAFKA_BOOTSTRAP="environment:3")
    found = {one.name: (one.value, one.origin) for one in loaded.describe()}
    assert found["WAYMARK_KAFKA_BOOTSTRAP"] == ("environment:3", "environment")
    assert found["WAYMARK_SMTP_URL"] == ("smtp://file:2", ".env")
    assert found["WAYMARK_TEMPORAL_ADDRESS"] == ("127.0.0.1:1", "home")
    assert found["WAYMARK_DELIVER"] == ("all", "default")


def test_any_port_is_the_one_that_up_took(read, tmp_path: Path) -> None:
    """Whoever asks for port 0, in `.env` say, is led to where the API listens; nobody else's address is changed."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "stack.json").write_text(json.dumps({"settings": {"http_address": "127.0.0.1:4321"}}))
    assert read(WAYMARK_HTTP_ADDRESS="127.0.0.1:0").settings.api() == "http://127.0.0.1:4321"
    assert read(WAYMARK_HTTP_ADDRESS="127.0.0.1:10").settings.api() == "http://127.0.0.1:10"


def test_an_ipv6_address_stands_in_brackets(read) -> None:
    """As in a URL."""
    settings = read(WAYMARK_HTTP_ADDRESS="[::1]:8800").settings
    assert (settings.http_host_and_port(), settings.local_url()) == (("::1", 8800), "http://[::1]:8800")


def test_temporals_own_variables_serve_too(read) -> None:
    """TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE configure; our own name wins."""
    settings = read(TEMPORAL_ADDRESS="theirs:7233", TEMPORAL_NAMESPACE="learning").settings
    assert (settings.temporal_address, settings.temporal_namespace) == ("theirs:7233", "learning")
    both = read(TEMPORAL_ADDRESS="theirs:7233", WAYMARK_TEMPORAL_ADDRESS="ours:7233").settings
    assert both.temporal_address == "ours:7233"


def test_an_empty_value_is_none(read) -> None:
    """`WAYMARK_SMTP_URL=` is as if it were not there."""
    assert read(WAYMARK_SMTP_URL="").settings.smtp_url is None


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("WAYMARK_HTTP_ADDRESS", "8800", "host:port"),
        ("WAYMARK_HTTP_ADDRESS", "127.0.0.1:99999", "host:port"),
        ("WAYMARK_HTTP_ADDRESS", "1:2:8800", "[::1]"),
        ("WAYMARK_HTTP_ADDRESS", "[nowhere]:8800", "[::1]"),
        ("WAYMARK_TEMPORAL_ADDRESS", "http://temporal:7233", "host:port"),
        ("WAYMARK_TEMPORAL_ADDRESS", "http://temporal", "host:port"),
        ("WAYMARK_KAFKA_BOOTSTRAP", "kafka", "host:port,host:port"),
        ("WAYMARK_KAFKA_BOOTSTRAP", "a:1,b", "or off"),
        ("WAYMARK_KAFKA_PORT", "many", "integer"),
        ("WAYMARK_MAILBOX_PORT", "70000", "65535"),
        ("WAYMARK_DATABASE_URL", "postgresql://x", "postgresql+asyncpg://"),
        ("WAYMARK_DATABASE_URL", "postgresql+asyncpg://host:port/x", "postgresql+asyncpg://user:password@host:5432"),
        ("WAYMARK_SMTP_URL", "http://mail", "smtp:// or smtps://"),
        ("WAYMARK_SMTP_URL", "smtp://mail:25?starttls=maybe", "starttls=require"),
        ("WAYMARK_SMTP_URL", "smtp://mail:99999", "smtp://"),
        ("WAYMARK_PUBLIC_URL", "learning.example.org", "https://"),
        ("WAYMARK_MAIL_FROM", "nobody", "learning@example.org"),
        ("WAYMARK_DELIVER", "some", "only:ADDRESS"),
        ("WAYMARK_DELIVER", "only:", "only:ADDRESS"),
        ("WAYMARK_DELIVER", "redirect:a@example.org,b@example.org", "redirect:ADDRESS"),
        ("WAYMARK_IN_DOUBT", "guess", "'leave' or 'resend'"),
        ("WAYMARK_HAND_OVER", "2m", "1 minute"),
        ("WAYMARK_ANSWER", "10m", "5 minutes"),
        ("WAYMARK_EVENT_LEAD", "one day", "30s 15m 4h 3d 2w"),
        ("WAYMARK_EVENT_LEAD", "-3d", "30s 15m 4h 3d 2w"),
        ("WAYMARK_SECRET", "short", "16 characters"),
    ],
)
def test_a_wrong_value_names_the_setting_and_what_is_allowed(read, name: str, value: str, allowed: str) -> None:
    """The error is enough to mend it."""
    with pytest.raises(SettingsError) as refused:
        read(**{name: value})
    assert name in str(refused.value)
    assert allowed in str(refused.value)
    assert "from environment" in str(refused.value)


def test_no_attempt_may_last_longer_than_a_lease_is_believed(read) -> None:
    """However long a provider is waited for: one that is under way is nobody's to take over."""
    longest = read(WAYMARK_HAND_OVER="1m", WAYMARK_ANSWER="5m").settings
    assert longest.hand_over + longest.answer + ATTEMPT_SLACK + LEASE < LONGEST


@pytest.mark.parametrize("name", ["WAYMARK_WRITER_COST_PER_DAY", "WAYMARK_WRITER_COST_PER_JOURNEY"])
def test_a_bound_in_money_needs_a_price(read, name: str) -> None:
    """Without one it would bound nothing, and nobody would know."""
    with pytest.raises(SettingsError, match=f"{name} = '5'.*WAYMARK_WRITER_PRICE_IN"):
        read(**{name: "5"})
    assert 10 == read(**{name: "5", "WAYMARK_WRITER_PRICE_OUT": "10"}).settings.writer_price_out


def test_all_wrong_values_are_named_at_once(read) -> None:
    """Nobody mends one to be told of the next."""
    with pytest.raises(SettingsError, match="2 settings are wrong") as refused:
        read(WAYMARK_HTTP_ADDRESS="x", WAYMARK_DELIVER="y")
    assert "WAYMARK_HTTP_ADDRESS" in str(refused.value)
    assert "WAYMARK_DELIVER" in str(refused.value)


@pytest.mark.parametrize("value", ["all", "none", "only:a@example.org,b@example.org", "redirect:a@example.org"])
def test_every_form_of_deliver_is_allowed(read, value: str) -> None:
    """All four of the contract."""
    assert read(WAYMARK_DELIVER=value).settings.deliver == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAYMARK_SECRET", "a-secret-of-some-length"),
        ("WAYMARK_API_KEY", "a-secret-of-some-length"),
        ("WAYMARK_WEBHOOK_SECRET", "whsec_a-secret-of-some-length"),
        ("OPENAI_API_KEY", "sk-a-secret-of-some-length"),
        ("WAYMARK_SMTP_URL", "smtp://user:a-secret-of-some-length@mail.example.org"),
        ("WAYMARK_DATABASE_URL", "postgresql+asyncpg://user:a-secret-of-some-length@db/waymark"),
    ],
)
def test_no_secret_is_shown(read, name: str, value: str) -> None:
    """What people see of a secret, or of a URL with one, is that it is there."""
    loaded = read(**{name: value})
    text = "".join(str(one) for one in loaded.describe()) + repr(loaded.settings.secret)
    assert "a-secret-of-some-length" not in text
    assert any(HIDDEN in (one.value or "") for one in loaded.describe() if one.name == name)


def test_a_wrong_secret_is_not_in_its_error(read) -> None:
    """An error may be read by others than its setting."""
    with pytest.raises(SettingsError) as refused:
        read(WAYMARK_SMTP_URL="http://user:hunter2@mail", WAYMARK_SECRET="hunter3")
    assert "hunter" not in str(refused.value)


def test_without_a_secret_it_says_how_to_make_one(read) -> None:
    """Production does not start with a secret that nobody keeps."""
    with pytest.raises(SettingsError, match="openssl rand -hex 32"):
        read().settings.signing_secret()


def test_every_setting_has_a_sentence_of_help(read) -> None:
    """`waymark settings` explains each."""
    for one in read().describe():
        assert one.help.endswith("."), one.name


def test_a_misspelt_name_is_noticed() -> None:
    """With the name that was probably meant."""
    assert unknown_settings({"WAYMARK_SMPT_URL": "x", "WAYMARK_HOME": "y", "PATH": "z"}) == [
        ("WAYMARK_SMPT_URL", "WAYMARK_SMTP_URL")
    ]


def test_names_are_those_of_the_contract() -> None:
    """A field's name in the environment begins with WAYMARK_, but for those of others."""
    assert setting_name("openai_api_key") == "OPENAI_API_KEY"
    assert setting_name("temporal_namespace") == "TEMPORAL_NAMESPACE"
    assert setting_name("http_address") == "WAYMARK_HTTP_ADDRESS"


SECRET = "whsec_" + "d2F5bWFyay13YXltYXJrLXdheW1hcmstd2F5bWFyay0="
CRM = {"WAYMARK_CALL_CRM_URL": "https://user:hunter2@crm.example.org/x", "WAYMARK_CALL_CRM_SECRET": SECRET}
MOODLE = {"WAYMARK_LMS_MOODLE_URL": "https://lms.example.org", "WAYMARK_LMS_MOODLE_TOKEN": "hunter3"}


def test_settings_that_an_operator_names_are_found_wherever_they_stand(read, tmp_path: Path) -> None:
    """Some in the file and some in the environment, which wins; each is shown by its own name, no secret of it."""
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in {**CRM, **MOODLE}.items()))
    loaded = read(WAYMARK_LMS_MOODLE_URL="https://other.example.org")
    assert {**CRM, **MOODLE, "WAYMARK_LMS_MOODLE_URL": "https://other.example.org"} == loaded.settings.of_systems()
    shown = {one.name: one.value for one in loaded.describe() if one.name in {**CRM, **MOODLE}}
    assert {
        "WAYMARK_CALL_CRM_URL": f"https://user:{HIDDEN}@crm.example.org/x", "WAYMARK_CALL_CRM_SECRET": HIDDEN,
        "WAYMARK_LMS_MOODLE_URL": "https://other.example.org", "WAYMARK_LMS_MOODLE_TOKEN": HIDDEN,
    } == shown  # fmt: skip


def test_a_named_setting_that_is_wrong_is_an_error_at_start(read) -> None:
    """By its own name, and no secret is said."""
    with pytest.raises(SettingsError, match="WAYMARK_CALL_CRM_SECRET: is needed") as refused:
        read(WAYMARK_CALL_CRM_URL="https://hunter2.example.org")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(SettingsError, match="WAYMARK_LMS_MOODLE_URL: write a URL"):
        read(**{**MOODLE, "WAYMARK_LMS_MOODLE_URL": "nowhere"})


def test_named_settings_are_no_misspelt_names() -> None:
    """But what is none of their fields is."""
    assert [] == unknown_settings({**CRM, **MOODLE})
    assert ["WAYMARK_LMS_MOODLE_SECRET"] == [name for name, _ in unknown_settings({"WAYMARK_LMS_MOODLE_SECRET": "x"})]


def test_the_writer_is_set_up_by_its_settings(read) -> None:
    """What the connector reads is what stands here, under the same names, with the same defaults; the key is hidden."""
    given = {
        "OPENAI_API_KEY": "sk-hunter2",
        "OPENAI_BASE_URL": "https://llm.example.org/v1/",
        "WAYMARK_WRITER_MODEL": "m",
    }
    loaded = read(**given)
    found = OpenAISettings.model_validate(loaded.settings.of_writer())
    assert (found.model, found.base_url, found.is_set_up) == ("m", "https://llm.example.org/v1", True)
    assert (found.is_streamed, found.answer) == (False, timedelta(minutes=2))
    assert {field.alias for field in OpenAISettings.model_fields.values()} == set(loaded.settings.of_writer())
    assert "hunter2" not in str([one.value for one in loaded.describe()])
    other = read(**given, WAYMARK_WRITER_STREAM="true", WAYMARK_WRITER_ANSWER="90s").settings.of_writer()
    assert (True, timedelta(seconds=90)) == (
        OpenAISettings.model_validate(other).is_streamed,
        OpenAISettings.model_validate(other).answer,
    )
    assert not OpenAISettings.model_validate(read().settings.of_writer()).is_set_up
