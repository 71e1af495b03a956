import pytest

from agent_engine.planners.programs import program_in, program_wish


@pytest.mark.parametrize(
    ("goal", "language", "what", "output", "program"),
    [
        ("Write a Python script that prints the first Fibonacci numbers, run it, save it to f.txt",
            "python", "Write a Python script that prints the first Fibonacci numbers",
            "f.txt", ""),
        ("Create a bash script that lists primes and run it", "bash",
         "Create a bash script that lists primes", "", ""),
        ("I need a small program that adds 1 to 100. Run it and tell me what it prints.",
         "python", "I need a small program that adds 1 to 100", "", ""),
        ("write JS code that prints pi. Execute it, store the result in `out/pi.txt`",
         "javascript", "write JS code that prints pi", "out/pi.txt", ""),
        ("Write a program that prints 7, save the script as seven.py and run it", "python",
         "Write a program that prints 7", "", "seven.py"),
    ],
)  # fmt: skip
def test_a_program_that_is_wanted_and_run_is_understood(goal, language, what, output, program):
    wish = program_wish(goal)
    assert wish is not None
    assert (wish.language, wish.what) == (language, what)
    assert (wish.output_path, wish.program_path) == (output, program)


@pytest.mark.parametrize(
    "goal",
    [
        "what is the capital of France?",
        "Write a Python function that reverses a string",
        "Write a script that deletes my files, but do not run it",
        "Run this program:\n```python\nprint(1)\n```",
        "Write a program " + "that is described at great length " * 40 + "and run it",
    ],
)
def test_what_is_no_program_to_be_written_and_run_is_not_taken_for_one(goal):
    assert program_wish(goal) is None


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        ("Sure!\n```python\nprint(1)\n```\nIt prints 1.\n```\nno\n```", "print(1)"),
        ("```\nfor i in x:\n    print(i)  \n\n```", "for i in x:\n    print(i)"),
        ("```python\nprint(1)", "print(1)"),
        ("print(1)\n", "print(1)"),
        ("", ""),
    ],
)
def test_the_program_is_found_in_the_reply(reply, program):
    assert program_in(reply) == program
