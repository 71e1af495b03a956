"""What the providers answer, after their documentation and what people report of them."""

from typing import Any

SERPER: dict[str, Any] = {
    "searchParameters": {"q": "apple inc", "type": "search", "num": 10, "engine": "google"},
    "knowledgeGraph": {"title": "Apple", "type": "Technology company"},
    "organic": [
        {
            "title": "Apple",
            "link": "https://www.apple.com/",
            "snippet": "Discover the innovative world of Apple and shop everything iPhone.",
            "sitelinks": [{"title": "Support", "link": "https://support.apple.com/"}],
            "position": 1,
        },
        {
            "title": "Apple Inc. - Wikipedia",
            "link": "https://en.wikipedia.org/wiki/Apple_Inc.",
            "snippet": "Apple Inc. is an American multinational technology company.",
            "date": "Mar 15, 2026",
            "position": 2,
        },
    ],
    "peopleAlsoAsk": [{"question": "What does Apple Inc mean?", "link": "https://x.example/"}],
    "relatedSearches": [{"query": "Who invented the iPhone"}],
    "credits": 1,
}
SERPER_NO_CREDITS = (400, {"message": "Not enough credits", "statusCode": 400})
SERPER_WRONG_KEY = (403, {"message": "Unauthorized.", "statusCode": 403})

BRAVE: dict[str, Any] = {
    "type": "search",
    "query": {"original": "brave search", "more_results_available": True},
    "mixed": {"type": "mixed", "main": [{"type": "web", "index": 0, "all": False}]},
    "web": {
        "type": "search",
        "results": [
            {
                "title": "Brave Search | Private",
                "url": "https://search.brave.com/",
                "is_source_local": False,
                "description": "<strong>Brave Search</strong> doesn&#x27;t profile you.",
                "profile": {"name": "Brave", "url": "https://search.brave.com/"},
                "language": "en",
                "family_friendly": True,
                "type": "search_result",
                "meta_url": {"scheme": "https", "hostname": "search.brave.com"},
            },
            {
                "title": "Brave Search API",
                "url": "https://brave.com/search/api/",
                "description": "Power your search.",
                "type": "search_result",
            },
        ],
        "family_friendly": True,
    },
}
BRAVE_NOTHING: dict[str, Any] = {"type": "search", "query": {"original": "zzzzqqq"}}


def brave_error(status: int, code: str) -> tuple[int, dict[str, Any]]:
    """As the server answers it."""
    error = {"id": "5d83", "status": status, "code": code, "detail": "…", "meta": {}}
    return status, {"type": "ErrorResponse", "error": error, "time": 1773685964}


def brave_documented_error(status: int, code: str) -> tuple[int, dict[str, Any]]:
    """As the documentation has it."""
    error = {"id": "5d83", "status": status, "code": code, "detail": "…", "meta": {}}
    return status, {"type": "ErrorResponse", "errors": [error], "time": 1663072993}


TAVILY: dict[str, Any] = {
    "query": "Who is Leo Messi?",
    "answer": None,
    "follow_up_questions": None,
    "images": [],
    "results": [
        {
            "title": "Lionel Messi Facts | Britannica",
            "url": "https://www.britannica.com/facts/Lionel-Messi",
            "content": "Lionel Messi, an Argentine footballer, is widely regarded as one of …",
            "score": 0.81025416,
            "raw_content": None,
        }
    ],
    "response_time": 1.67,
    "request_id": "123e4567-e89b-12d3-a456-426614174111",
}
TAVILY_WRONG_KEY = (401, {"detail": {"error": "Unauthorized: missing or invalid API key."}})
TAVILY_TOO_MANY = (429, {"detail": {"error": "Your request has been blocked."}})
TAVILY_PLAN_USED_UP = (
    432,
    {"detail": {"error": "This request exceeds your plan's set usage limit."}},
)
TAVILY_MONEY_USED_UP = (433, {"detail": {"error": "This request exceeds the pay-as-you-go limit."}})

SEARXNG: dict[str, Any] = {
    "query": "searxng",
    "number_of_results": 0,
    "results": [
        {
            "url": "https://docs.searxng.org/",
            "title": "SearXNG Documentation",
            "content": "SearXNG is a free internet metasearch engine.",
            "thumbnail": None,
            "engine": "duckduckgo",
            "template": "default.html",
            "parsed_url": ["https", "docs.searxng.org", "/", "", "", ""],
            "engines": ["duckduckgo", "brave"],
            "positions": [1, 2],
            "score": 3.0,
            "category": "general",
            "publishedDate": None,
        }
    ],
    "answers": [],
    "corrections": [],
    "infoboxes": [],
    "suggestions": ["searx"],
    "unresponsive_engines": [["google", "Suspended: CAPTCHA"]],
}
SEARXNG_NO_JSON = """<!doctype html><html lang=en><title>403 Forbidden</title>
<h1>Forbidden</h1><p>You don't have the permission to access the requested resource.</p>"""
