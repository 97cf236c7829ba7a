"""The key-encryption key in a hardware module: SoftHSM through the real PKCS#11."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.clock import FakeClock
from core.config import Config
from core.crypto import hsm
from core.crypto.hsm import Pkcs11Kek, open_hsm
from core.crypto.kek import PKCS11, is_kek_file, kept_path
from core.crypto.keyring import Keyring
from core.crypto.keys import KeyringError, Purpose
from core.crypto.rotation import forget_kek, rotate_kek
from core.crypto.sealing import seal, unseal
from core.crypto.sm import DecryptionError
from core.crypto.vault import Vault
from core.modules import Modules
from tests.core.crypto.conftest import opened
from tests.support.demo import ROOT

PIN = "a pin of this test"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """SoftHSM with one token, `zhenjian`. It reads its configuration once in a process."""
    subprocess.run([ROOT / "scripts" / "tools.sh", "softhsm"], check=True, timeout=280)
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    token = ["--init-token", "--free", "--label", "zhenjian", "--pin", PIN, "--so-pin", PIN]
    subprocess.run(["softhsm2-util", *token], check=True, capture_output=True)
    yield next(Path(path) for path in MODULES if Path(path).exists())
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def in_module(config: Config, module: Path, tmp_path: Path) -> Config:
    """The configuration of an installation with a module; the PIN is in a file."""
    pin = tmp_path / "pin"
    pin.write_text(PIN + "\n")
    pin.chmod(0o600)
    return config.model_copy(
        update={
            "kek": PKCS11,
            "pkcs11_module": module,
            "pkcs11_pin_file": pin,
            "pkcs11_label": f"kek {tmp_path.name}",
        }
    )


def test_the_module_wraps_what_only_it_can_unwrap(in_module: Config, clock: FakeClock) -> None:
    provider = open_hsm(in_module)
    first = provider.create(clock.now())
    second = provider.create(clock.now() + timedelta(seconds=1))
    assert [version.id for version in provider.versions()] == [first.id, second.id]
    for size in (16, 32):
        secret = bytes(range(size))
        wrapped = provider.wrap(first.id, secret, b"data|d1||")
        assert secret not in wrapped
        assert provider.unwrap(first.id, wrapped, b"data|d1||") == secret
        with pytest.raises(DecryptionError, match="elsewhere"):
            provider.unwrap(first.id, wrapped, b"data|d2||")
        with pytest.raises(DecryptionError):
            provider.unwrap(second.id, wrapped, b"data|d1||")
        with pytest.raises(DecryptionError):
            provider.unwrap(first.id, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"data|d1||")
    provider.forget(first.id)
    assert [version.id for version in provider.versions()] == [second.id]
    with pytest.raises(KeyringError, match="holds no key"):
        provider.unwrap(first.id, wrapped, b"data|d1||")


def test_the_key_cannot_be_taken_out(in_module: Config, clock: FakeClock) -> None:
    provider = open_hsm(in_module)
    made = provider.create(clock.now())
    with pytest.raises(hsm.PKCS11Error):
        provider._key(made.id)[hsm.Attribute.VALUE]


@pytest.mark.requirement("S4-106")
async def test_an_installation_lives_with_its_key_in_the_module(
    in_module: Config, modules: Modules, clock: FakeClock
) -> None:
    async with opened(in_module, modules, clock) as runtime:
        token = seal(runtime.keyring, "users.phone", b"1")
    assert not in_module.keys.exists()
    async with opened(in_module, modules, clock) as again:
        assert unseal(again.keyring, "users.phone", token) == b"1"
        clock.advance(timedelta(days=1))
        vault = again.port(Vault)
        async with again.unit_of_work() as uow:
            old = (await vault.current_kek(uow.session)).id
            await rotate_kek(uow.session, vault)
        async with again.unit_of_work() as uow:
            await forget_kek(uow.session, vault, old)
    async with opened(in_module, modules, clock) as later:
        assert unseal(later.keyring, "users.phone", token) == b"1"


async def test_a_key_file_moves_into_the_module_by_a_rotation(
    config: Config, in_module: Config, key_file: Path, modules: Modules, clock: FakeClock
) -> None:
    async with opened(config, modules, clock) as runtime:
        token = seal(runtime.keyring, "users.phone", b"1")
    async with opened(in_module, modules, clock) as runtime:
        vault = runtime.port(Vault)
        async with runtime.unit_of_work() as uow:
            new = await rotate_kek(uow.session, vault)
            assert new.provider == PKCS11
    key_file.unlink()
    async with opened(in_module, modules, clock) as runtime:
        assert unseal(runtime.keyring, "users.phone", token) == b"1"


async def test_an_old_key_file_is_taken_into_the_module(
    in_module: Config, keyring: Keyring, modules: Modules, clock: FakeClock
) -> None:
    keyring.save(in_module.keys)
    token = seal(keyring, "users.phone", b"1")
    for _ in range(2):
        async with opened(in_module, modules, clock) as runtime:
            assert unseal(runtime.keyring, "users.phone", token) == b"1"
            assert runtime.keyring.current(Purpose.TOKEN).id == keyring.current(Purpose.TOKEN).id
    assert not in_module.keys.exists()
    assert not is_kek_file(kept_path(in_module.keys))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pkcs11_module": None}, "ZHENJIAN_PKCS11_MODULE"),
        ({"pkcs11_pin_file": None}, "ZHENJIAN_PKCS11_PIN"),
        ({"pkcs11_token": "another"}, "cannot be opened"),
        ({"pkcs11_module": Path("/nowhere/module.so")}, "cannot be opened"),
    ],
)
def test_what_is_wrong_with_a_module_is_said_in_one_sentence(
    in_module: Config, change: dict[str, object], said: str
) -> None:
    with pytest.raises(KeyringError, match=said):
        open_hsm(in_module.model_copy(update=change))


def test_a_wrong_pin_is_refused_by_name(in_module: Config) -> None:
    assert in_module.pkcs11_module is not None
    with pytest.raises(KeyringError, match="cannot be opened"):
        Pkcs11Kek(in_module.pkcs11_module, "zhenjian", "wrong", "kek")


def test_a_pin_file_that_others_may_read_is_refused(in_module: Config) -> None:
    assert in_module.pkcs11_pin_file is not None
    in_module.pkcs11_pin_file.chmod(0o644)
    with pytest.raises(KeyringError, match="chmod 600"):
        open_hsm(in_module)
