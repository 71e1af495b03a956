from agent_engine.labels import OFFLINE_LABEL
from agent_engine.models.offline import OFFLINE_NAME, OFFLINE_SENTENCE, OfflineModel
from tests.fakes.models import request


async def test_whatever_is_asked_it_says_that_it_is_no_language_model():
    model = OfflineModel()
    for purpose in ("plan", "answer", "judge"):
        reply = await model.complete(request("who are you?", purpose=purpose))
        assert reply.text == OFFLINE_SENTENCE
        assert (reply.prompt_tokens, reply.completion_tokens) == (0, 0)
    assert model.name == OFFLINE_NAME
    assert "no language model" in OFFLINE_LABEL
    assert "not a language model" in OFFLINE_SENTENCE
    assert OFFLINE_SENTENCE.count(". ") == 0
