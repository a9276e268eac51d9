import gc

from proxy.core.secret import Secret, scrub


def test_of_two_equal_secrets_the_one_that_is_left_is_still_scrubbed() -> None:
    first, second = Secret("correct horse"), Secret("correct horse")
    del first
    gc.collect()
    assert scrub("said correct horse") == f"said {second}"


def test_a_secret_that_is_gone_is_forgotten() -> None:
    secret = Secret("battery staple")
    assert scrub("said battery staple") == f"said {secret}"
    del secret
    gc.collect()
    assert scrub("said battery staple") == "said battery staple"
