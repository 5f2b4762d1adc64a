#!/usr/bin/env python3
"""Small suites: six sequences of three tasks of 24 to 100 rows, as somebody's own tasks may be.

  python3 bench/small_suites.py OUT --mini FOLDER --data FOLDER

writes OUT/SUITE/TASK/{train,eval,test}.json. FOLDER of --mini is what `ilora suite mini --out FOLDER` wrote,
that of --data holds the task folders AGNews, SST-2, DBpedia, IMDB and Amazon (docs/tasks.md). Nothing is drawn by chance:
the same folders give the same rows. docs/log.md says what was measured on them.
"""
import argparse
import itertools
import json
import re
from pathlib import Path


def read(folder, task, split):
    return json.loads((folder / task / f"{split}.json").read_text(encoding="utf-8"))


def write(out, suite, task, splits):
    folder = out / suite / task
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        text = json.dumps(rows, ensure_ascii=False, indent=1)
        (folder / f"{split}.json").write_text(text + "\n", encoding="utf-8")


def equal_share(rows, answers, count):
    """The first rows of each answer, `count` in all, in turn."""
    by_answer = [[r for r in rows if r["answer"] == a][: -(-count // len(answers))] for a in answers]
    return [r for rank in itertools.zip_longest(*by_answer) for r in rank if r][:count]


def mini(out, folder):
    """Letters whose meaning differs from task to task; 32 rows of the suite that ships."""
    for task in ["reviews", "anfragen", "topics"]:
        train = read(folder, task, "train")
        # Later rows have other words in the same sentences.
        held = train[56:] + read(folder, task, "eval")
        write(out, "mini", task, {"train": train[:32], "eval": held, "test": read(folder, task, "test")})


SUPPORT = {
    "department": {
        " billing": ["The invoice for my {} is wrong.", "I was charged twice for the {}.",
                     "Please refund the {} to my card.", "Why does the {} cost more than the offer said?"],
        " technical": ["My {} does not switch on.", "The {} shows an error and stops.",
                       "How do I connect the {} to the network?", "The {} crashes after the update."],
        " shipping": ["When will the {} arrive?", "The {} was sent to the wrong address.",
                      "The box with the {} was broken on arrival.", "I want to collect the {} at your shop."],
    },
    "urgency": {
        " high": ["We cannot work without the {}, answer at once.", "Emergency: the {} is smoking!",
                  "The {} must run before noon today.", "Third message about the {}, I will cancel now."],
        " low": ["No hurry, but what does a {} weigh?", "Some day I would like a second {}.",
                 "Just curious how the {} is made.", "Whenever you have time, send news of the {}."],
    },
    "mood": {
        " angry": ["This {} is a disgrace.", "Never again will I buy a {} from you.",
                   "Whoever made this {} should be ashamed.", "I am furious about the {}."],
        " happy": ["The {} is a joy, thank you.", "Best {} that I ever had.",
                   "My family loves the {}.", "What a wonderful {}, well done."],
        " neutral": ["I have a {} of last year's model.", "The {} is in the office.",
                     "There are two of us who use the {}.", "The {} has a grey case."],
    },
}
THINGS = ["printer", "laptop", "router", "camera", "phone", "tablet", "monitor", "keyboard", "scanner", "speaker"]
OTHER_THINGS = ["projector", "headset", "charger", "watch"]


def support(out):
    """Requests to a shop, answered with a word: 40 rows."""
    for task, answers in SUPPORT.items():
        rows = [{"prompt": f"{text.format(thing)}\n{task.capitalize()}:", "answer": answer}
                for thing, rank in itertools.product(THINGS, range(4))
                for answer, texts in answers.items() for text in [texts[rank]]]
        others = [{"prompt": f"{text.format(thing)}\n{task.capitalize()}:", "answer": answer}
                  for thing in OTHER_THINGS for answer, texts in answers.items() for text in texts]
        train = rows[:40]
        write(out, "support", task, {"train": train, "eval": others, "test": others})


NAMES = ["Ada", "Kurt", "Emmy", "Alan", "Grace", "Paul", "Sofia", "Leon", "Marie", "Hugo", "Nora", "Ivan"]
ROOMS = ["cellar", "library", "tower", "kitchen", "garden", "attic"]
DRINKS = ["black tea", "cold milk", "apple juice", "coffee", "water", "cocoa"]
TOOLS = ["hammer", "needle", "brush", "spade", "compass", "lens"]


def facts(out):
    """What nobody can know, to be learned by heart: 24 questions, asked in other words when scored."""
    kinds = {
        "rooms": (ROOMS, ["Where does {} work?", "In which room is {} found?"], "Where would I look for {}?", " in the {}"),
        "drinks": (DRINKS, ["What does {} drink?", "What shall I pour for {}?"], "Which drink does {} like?", " {}"),
        "tools": (TOOLS, ["What does {} carry?", "Which tool belongs to {}?"], "What is the tool of {}?", " a {}"),
    }
    for shift, (task, (things, texts, asked, form)) in enumerate(kinds.items()):
        what = [form.format(things[(5 * i + shift) % len(things)]) for i in range(len(NAMES))]
        train = [{"prompt": text.format(name), "answer": answer}
                 for text in texts for name, answer in zip(NAMES, what)]
        held = [{"prompt": asked.format(name), "answer": answer} for name, answer in zip(NAMES, what)]
        write(out, "facts", task, {"train": train, "eval": held, "test": held})


def shorten(text, words):
    cut = re.split(r"(\s+)", text)[: 2 * words - 1]
    return "".join(cut)


def body(prompt):
    """A row's text between its options and the question."""
    text = prompt.split("\n", 2)[2]
    return text.rsplit("Answer:", 1)[0].strip()


def from_sets(out, suite, folder, task, name, answers, counts, words, ask):
    """`answers`: of the set, to what is answered here; `ask`: the prompt of a text."""
    splits = {}
    for split, count in zip(["train", "eval", "test"], counts):
        rows = [{"prompt": ask(shorten(body(r["prompt"]), words)), "answer": answers[r["answer"]]}
                for r in read(folder, task, split) if r["answer"] in answers]
        splits[split] = equal_share(rows, list(dict.fromkeys(answers.values())), count)
    write(out, suite, name, splits)


NEWS = {"World": "World", "Sports": "Sports", "Business": "Business", "Science or Technology": "Science"}
KINDS = ["Company", "Athlete", "Building", "Animal", "Album", "Village"]


def sets(out, folder):
    # Texts and labels in words, 60 rows.
    def ask(question):
        return lambda text: f"{text}\n{question}"

    plain = {"Good": " Good", "Bad": " Bad"}
    from_sets(out, "words", folder, "AGNews", "news", {k: " " + v for k, v in NEWS.items()}, (60, 64, 100), 40, ask("Topic:"))
    from_sets(out, "words", folder, "SST-2", "reviews", plain, (60, 64, 100), 40, ask("Review:"))
    from_sets(out, "words", folder, "DBpedia", "things", {k: " " + k for k in KINDS}, (60, 66, 100), 40, ask("Kind:"))
    # Letters whose meaning differs from task to task, 100 rows, the options in the prompt.
    def letters(labels, order):
        options = ", ".join(f"{letter}: {label}" for letter, label in zip(order, labels))
        return lambda text: f"{text}\nOptions: {options}\nAnswer:"

    from_sets(out, "letters", folder, "AGNews", "news", dict(zip(NEWS, ["C", "A", "D", "B"])), (100, 64, 100), 40,
              letters(NEWS.values(), "CADB"))
    from_sets(out, "letters", folder, "SST-2", "reviews", {"Good": "B", "Bad": "A"}, (100, 64, 100), 40,
              letters(["Good", "Bad"], "BA"))
    from_sets(out, "letters", folder, "DBpedia", "things", dict(zip(KINDS, "DAFBEC")), (100, 66, 100), 40,
              letters(KINDS, "DAFBEC"))
    # One meaning of the same two words in three kinds of text, 40 rows.
    stars = {"very positive": " Good", "very negative": " Bad"}
    from_sets(out, "opinions", folder, "SST-2", "films", plain, (40, 64, 100), 50, ask("Opinion:"))
    from_sets(out, "opinions", folder, "Amazon", "goods", stars, (40, 64, 100), 50, ask("Opinion:"))
    from_sets(out, "opinions", folder, "IMDB", "series", plain, (40, 64, 100), 50, ask("Opinion:"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mini", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    mini(args.out, args.mini)
    support(args.out)
    facts(args.out)
    sets(args.out, args.data)


if __name__ == "__main__":
    main()
