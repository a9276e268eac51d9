from proxy.config.address import Address
from proxy.config.schema import Config
from proxy.stores.memory import MemorySettings


def test_what_is_not_configured_has_the_documented_defaults() -> None:
    config = Config()
    assert config.listen.proxy == Address("127.0.0.1", 8080)
    assert config.listen.admin == Address("127.0.0.1", 8081)
    assert config.listen.metrics == Address("127.0.0.1", 8082)
    assert config.store == MemorySettings()
    assert config.seal.keys == ()
    assert config.events.webhook is None
    assert [config.admin.keys, config.callers, config.credentials, config.routes] == [{}, {}, {}, {}]
