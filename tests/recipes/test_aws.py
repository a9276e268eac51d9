"""The recipe for AWS: fixed keys, and temporary ones from JSON and from XML."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fakes.vendors.aws import ACCOUNT_TOKEN, KEY_ID, POD_TOKEN, ROLE, SECRET, Aws
from tests.recipes.harness import Recipe, explained, refused, renews, running

GIVEN = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ROLE_ARN": ROLE}
POD_FILE = "pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
ACCOUNT_FILE = "eks.amazonaws.com/serviceaccount/token"
FILES = {POD_FILE: POD_TOKEN, ACCOUNT_FILE: ACCOUNT_TOKEN}


@pytest_asyncio.fixture
async def aws() -> AsyncIterator[Aws]:
    async with Aws() as aws:
        yield aws


def recipe(aws: Aws) -> Recipe:
    addresses = {
        "http://169.254.170.23": f"{aws.url}/agent",
        "https://sts.eu-central-1.amazonaws.com": f"{aws.url}/sts",
        "https://my-bucket.s3.eu-central-1.amazonaws.com": f"{aws.url}/s3",
        "https://abcdef1234.execute-api.eu-central-1.amazonaws.com": f"{aws.url}/api",
        "https://sqs.eu-central-1.amazonaws.com": f"{aws.url}/sqs",
    }
    return Recipe("aws", GIVEN, FILES, addresses)


async def test_temporary_keys_are_had_used_and_had_again_when_they_have_ended(aws: Aws) -> None:
    async with running(recipe(aws)) as example:
        assert (await renews(example, aws, "/function/hello?b=2&a=1", method="POST", data=b"x")).status == 200
        assert aws.statuses("/api") == [200, 403, 200]
        await renews(example, aws, "/queues/", method="POST", json={"QueueNamePrefix": "a"})
        assert aws.statuses("/sqs") == [200, 400, 200]
    assert len(aws.statuses("/agent")) == len(aws.statuses("/sts")) == 2


async def test_an_object_is_stored_with_fixed_keys(aws: Aws) -> None:
    async with running(recipe(aws)) as example:
        told = await example.ask("/objects/a%20b/c%2Bd.txt", method="PUT", data=b"0123456789" * 1000)
    assert told.document == {"key": "a b/c+d.txt", "length": 10_000}
    assert aws.issued == []


async def test_the_answer_to_a_wrong_fixed_key_is_the_vendors_own(aws: Aws) -> None:
    async with running(recipe(aws).given(AWS_SECRET_ACCESS_KEY="another-secret")) as example:
        told = await example.ask("/objects/a")
    assert (told.status, b"SignatureDoesNotMatch" in told.body) == (403, True)


@pytest.mark.parametrize(("file", "path"), [(POD_FILE, "/function/hello"), (ACCOUNT_FILE, "/queues/")])
async def test_a_wrong_token_of_the_workload_is_a_request_that_is_refused(aws: Aws, file: str, path: str) -> None:
    wrong = recipe(aws).given(files={file: "another-token"})
    assert await refused(wrong, path) == ("token-unavailable", "provider_4xx")
    assert aws.issued == []


@pytest.mark.parametrize(
    ("path", "there", "headers"),
    [
        ("/objects/a", "my-bucket.s3.eu-central-1.amazonaws.com/a", ["X-Amz-Content-SHA256"]),
        ("/function/a", "abcdef1234.execute-api.eu-central-1.amazonaws.com/live/a", ["X-Amz-Security-Token"]),
        ("/queues/", "sqs.eu-central-1.amazonaws.com/", ["X-Amz-Security-Token"]),
    ],
)
def test_explain_says_what_would_be_sent(path: str, there: str, headers: list[str]) -> None:
    told = explained(Recipe("aws", GIVEN, FILES), "GET", path)
    assert f"would be sent: GET https://{there}\n" in told
    for name in ("Authorization", "X-Amz-Date", *headers):
        assert f"  {name}: ***\n" in told
