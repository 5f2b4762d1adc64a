"""Writes measures/pairs.json and measures/reference.json: pairs of texts, and what other programs say of them.

  pip install rouge-score sacrebleu rapidfuzz nltk
  python make_measures.py [SCRIPT]

SCRIPT is Hugging Face's sari.py (huggingface/evaluate, metrics/sari), which PyPI does not carry. SARI's values are
those of the formula written out below; with SCRIPT they are also compared with that program's. Likewise token F1: where
torchmetrics is installed, its `squad` is asked for every pair too.
The pairs are composed from the sentences below, the same ones in every run.
"""
import importlib.util
import json
import pathlib
import random
import re
import string
import sys
from collections import Counter

import sacrebleu
from nltk.stem.porter import PorterStemmer
from rapidfuzz import fuzz
from rouge_score import rouge_scorer

HERE = pathlib.Path(__file__).parent / "measures"

ENGLISH = """The council approved the budget after a long and heated debate.
Residents complained that the new bus line runs only twice an hour.
A motion to rezone 14 parcels on Elm Street passed, 6-1.
The committee's report (see page 12) recommends hiring three more inspectors.
Heating costs rose by 7.5% in 2019; rents followed, by 1,250 dollars a year.
"We cannot wait any longer," said the engineer, "for the bridge is failing."
Photosynthesis converts light energy into chemical energy stored in sugars.
The argument was logically flawed, and its conclusions were repeatedly criticised.
Scientists are studying how glaciers moved during the last ice age.
He relied on generalizations, formalities and hopeful predictions.
Flies, skies and dying embers; she tried, he cried, they lied.
The operator's irritating insensitivity was possibly accidental.
Geological and archaeological analyses agreed with earlier analogies.
Please fill in the form, then file it -- filing late costs $5.00.
R&D spending at AT&T fell; profits &amp; dividends did not &lt;yet&gt;.
An apple a day keeps the doctor away, or so the saying goes.
The well-known state-of-the-art method failed 3-to-1 on 2-letter words.
Running runners ran; the quickest one happily controlled the rolling ball.""".split("\n")
GERMAN = """Der Gemeinderat beschloss gestern, die alte Brücke über den Fluss zu sperren.
Wegen der Hitze schließen viele Freibäder schon am späten Nachmittag.
Die Ärztin erklärte, dass das Fieber nach drei Tagen zurückgehen müsse.
Über 1.200 Menschen feierten am Samstag das Straßenfest in der Südstadt.
Größere Züge fahren künftig alle 15 Minuten, kostet das mehr? Nein!
»Wir hätten früher handeln können«, sagte der Bürgermeister betrübt.
Öl und Äpfel werden teurer: um 3,5 Prozent gegenüber dem Vorjahr.
Die Kinder übten fleißig, während draußen ein Gewitter tobte.
ÄRGER IM RATHAUS: DIE GEBÜHREN STEIGEN ERNEUT.
Ein Velofahrer stürzte am 4. Mai auf der nassen Straße und verletzte sich.""".split("\n")
CHINESE = """市政府决定在明年春天修建一座新的图书馆。
我认为这项政策对年轻人没有什么帮助，甚至有害。
根据合同，卖方应当在三十日内交付货物。
他说：“天气太热了，我们明天再去吧！”
第２条规定：未满18岁者不得进入。
这部电影的音乐很美，故事却平淡无奇。
支持A方案的居民占62.5%，反对者占三成。
机器学习 (machine learning) 正在改变许多行业。
他买了三本书、两支笔，一共花了45元。""".split("\n")
CODE = """<s> import os , sys <EOL> def main ( ) : <EOL> return <NUM_LIT:0> <EOL>
for i in range ( len ( xs ) ) : <EOL> total += xs [ i ] * <NUM_LIT> <EOL>
self . assertEqual ( response . status_code , <NUM_LIT:200> )
print ( '<STR_LIT:hello>' , file = sys . stderr )
if (a < b && c >= 0) { return x->y[i] << 2; } // shift
const auto it = std::find_if(v.begin(), v.end(), [](int n) { return n % 2; });
path = os . path . join ( '<STR_LIT>' , name ) <EOL> return path
SELECT name, COUNT(*) FROM rows WHERE score >= 0.5 GROUP BY name;""".split("\n")
ODD = ["", " ", "\n", "A", "a", "the", "B.", "The answer is C", "(D) because it is", "A\nBecause light bends.",
       "Because", "12", "-3.5", "1,234", "7.", "7.0", "the sum is 42.", "x = -17, y = 4", "no number", "½ of ²", "III",
       "A A A A A A", "the the the", "!!! ??? ...", "e.g. U.S.A., 3.14, 10,000.", "foo-\nbar", "foo-\n", "end-",
       "<skipped> text", "&quot;quoted&quot;", "tab\tand\u00a0wide\u3000space", "\u200bzero width", "İstanbul ve Kelvin K",
       "naïve café résumé", "emoji 😀😃 and 🇩🇪", "русский текст, два слова", "ελληνικά", "عربي", "日本語のテスト",
       "don't can't won't", "snake_case and CamelCase", "C++ & C#", "100%", "a-b-c 1-2-3", "\"\"", "'", "、。", "A、正确",
       "（B）", "“C”", "D）", "答案是A", "B选项", "Apfel", "Äpfel", "Ä", "Bär", "D2", "1.2.3", "1,2,3", "3 1/2", ".5", "-",
       "yyyyy", "y", "sky skies dying news innings", "e\u0301 and é", "x\u2009", "\u202fA\ufeff \u0085", "１２", "12３",
       "٣ and 𝟏", "<NUM_LIT:1> <STR_LIT:a<NUM_LIT:1>", "<STR_LIT:<STR_LIT:a>> <STR_LIT:a>"]
NOISE = {"en": "really perhaps 2020 , budget council".split(), "de": "vielleicht 1998 , Straße sehr".split(),
         "zh": list("的了是在，我很2"), "code": "<EOL> ( ) x <NUM_LIT> = self".split()}


def edits(text, language, rng):
    """Texts that differ from `text` as answers do: words lost, added, moved, doubled, cut off, other case."""
    chinese = language == "zh"
    words = list(text) if chinese else text.split()
    glue = "" if chinese else " "
    lost = [w for w in words if rng.random() > 0.3]
    added = []
    for word in words:
        added += [word, rng.choice(NOISE[language])] if rng.random() < 0.25 else [word]
    moved = words[:]
    i, k = rng.randrange(len(moved)), rng.randrange(len(moved))
    moved[i], moved[k] = moved[k], moved[i]
    return [glue.join(lost), glue.join(added), glue.join(moved), text.upper() if rng.random() < 0.5 else text + "\n",
            glue.join(words[: max(1, len(words) // 2)]), glue.join(words[: len(words) // 3] * 4)]


def make_pairs():
    rng = random.Random(20)
    pairs = []
    add = lambda kind, source, given, expected: pairs.append(
        {"kind": kind, "source": source, "given": given, "expected": expected})
    for language, texts in (("en", ENGLISH), ("de", GERMAN), ("zh", CHINESE), ("code", CODE)):
        for n, text in enumerate(texts):
            other = texts[(n + 1) % len(texts)]
            variants = edits(text, language, rng)
            for given in variants[:4] if n % 2 else variants[2:]:
                add(language, text + ("" if language == "zh" else " ") + other, given, text)
        add(language, texts[0], texts[1], texts[2])
        add(language, texts[0], texts[0], texts[0])
    for n, text in enumerate(ODD):
        add("odd", ENGLISH[n % len(ENGLISH)] if n % 3 else text, text, ODD[(n * 7 + 3) % len(ODD)])
        add("odd", GERMAN[n % len(GERMAN)], text, text)
    add("empty", "", "", "")
    add("empty", ENGLISH[0], "", ENGLISH[1])
    add("empty", ENGLISH[0], ENGLISH[1], "")
    for language, texts in (("en", ENGLISH), ("de", GERMAN), ("zh", CHINESE), ("code", CODE)):
        glue = "" if language == "zh" else " "
        long = glue.join(rng.choice(texts) for _ in range(70))
        add("long", long, glue.join(edits(long, language, rng)[0:1]), glue.join(rng.choice(texts) for _ in range(60)))
        add("long", long, texts[0] * 30, long[: len(long) // 2])
        add("repeated", texts[1], glue.join([texts[0]] * 20), texts[0])
        add("repeated", glue.join([texts[0]] * 5), texts[0], glue.join([texts[0], texts[1]] * 3))
    return pairs


def sari(source, given, expected):
    """The published formula with the choices of Hugging Face's `sari`, for one reference."""
    tokenize = sacrebleu.metrics.bleu._get_tokenizer("13a")()
    words = [tokenize(text.lower()).split(" ") for text in (source, given, expected)]
    total = 0.0
    for n in range(1, 5):
        s, g, e = (Counter(" ".join(w[i:i + n]) for i in range(len(w) - n + 1)) for w in words)
        ratio = lambda x, y: x / y if y else 1.0
        f1 = lambda p, r: 2 * p * r / (p + r) if p + r else 0.0
        keep, good_keep, all_keep = s & g, s & g & e, s & e
        p = ratio(sum(good_keep[x] / keep[x] for x in good_keep), len(keep))
        r = ratio(sum(good_keep.values()), sum(all_keep.values()))
        gone = s - g
        d = ratio(sum(c / gone[x] for x, c in (gone - e).items()), len(gone))
        new, wanted = set(g) - set(s), set(e) - set(s)
        both = len(new & set(e))
        total += f1(p, r) + d + f1(ratio(both, len(new)), ratio(both, len(wanted)))
    return total / 12


def stripped(text):
    """Without white space and byte order marks at its ends, however they alternate."""
    while text != text.strip().strip("\ufeff"):
        text = text.strip().strip("\ufeff")
    return text


def first(pattern, text):
    found = re.search(pattern, text)
    return found.group(0) if found else ""


def code_plain(code):
    """As TRACE's eval_Py150 describes it."""
    code = code.replace("<NUM_LIT>", "0").replace("<STR_LIT>", "").replace("<CHAR_LIT>", "")
    for kind, inner in re.findall(r"<(STR|NUM|CHAR)_LIT:(.*?)>", code, re.S):
        code = code.replace(f"<{kind}_LIT:{inner}>", inner)
    return code


def squad_scores(given, expected):
    """F1 and exact match as SQuAD's evaluation has them; two texts without words are alike."""
    def normal(text):
        text = "".join(c for c in text.lower() if c not in string.punctuation)
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())
    a, b = normal(given).split(), normal(expected).split()
    shared = sum((Counter(a) & Counter(b)).values())
    f1 = float(a == b) if not a or not b else 2 * shared / (len(a) + len(b))
    return f1, float(normal(given) == normal(expected))


def check_squad(pairs):
    from torchmetrics.functional.text import squad
    for pair in pairs:
        theirs = squad([{"prediction_text": pair["given"], "id": "0"}],
                       [{"answers": {"answer_start": [0], "text": [pair["expected"]]}, "id": "0"}])
        f1, exact = squad_scores(pair["given"], pair["expected"])
        assert abs(float(theirs["f1"]) / 100 - f1) < 1e-6 and float(theirs["exact_match"]) / 100 == exact, pair
    print(f"token F1: {len(pairs)} pairs as torchmetrics has them")


def make_stems():
    roots = ("relat condition valenc hesitanc digitiz conform radical differ vil analog vietnam predic oper feudal decis "
             "hope callous formal sensitiv sensib triplic form electric good reviv allow infer airlin gyroscop adjust "
             "defens irrit replac depend adopt homolog commun activ angular effect bowdler prob rat ceas control roll "
             "fall hiss fizz hop tann fail fil troubl conflat siz fl d tr happ sk enjo pl geo theolog archaeolog o x ab "
             "oy say yell syzyg 12a a1 ill").split()
    endings = ("s es ies ss sses ed ing eed ied y ational tional enci anci izer bli abli alli entli eli ousli ization "
               "ation ator alism iveness fulness ousness aliti iviti biliti fulli logi logy icate ative alize iciti ical "
               "ful ness al ance ence er ic able ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize e ll "
               "lly ally fully bly ingly edly yy ying").split()
    stemmer = PorterStemmer()
    words = sorted({root + ending for root in roots for ending in endings} | set(roots) |
                   set("sky skies dying lying tying news innings inning outings outing cannings canning howe proceed "
                       "exceed succeed proceeded".split()))
    return {word: stemmer.stem(word) for word in random.Random(4).sample(words, 2500)}


def check_sari(script, pairs):
    import evaluate
    metric = evaluate.load(script)
    for pair in pairs:
        theirs = metric.compute(sources=[pair["source"]], predictions=[pair["given"]], references=[[pair["expected"]]])
        ours = 100 * sari(pair["source"], pair["given"], pair["expected"])
        assert abs(theirs["sari"] - ours) < 1e-9, (pair, theirs, ours)
    print(f"SARI: {len(pairs)} pairs as {script} has them")


def main():
    pairs = make_pairs()
    plain = rouge_scorer.RougeScorer(["rougeL"])
    stemmed = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    values = []
    for pair in pairs:
        given, expected = pair["given"], pair["expected"]
        f1, exact = squad_scores(given, expected)
        values.append({
            "rouge-l": float(plain.score(expected, given)["rougeL"].fmeasure),
            "rouge-l-stem": float(stemmed.score(expected, given)["rougeL"].fmeasure),
            "sari": sari(pair["source"], given, expected),
            "bleu": sacrebleu.sentence_bleu(given, [expected]).score / 100,
            "bleu-zh": sacrebleu.sentence_bleu(given, [expected], tokenize="zh").score / 100,
            "edit-similarity": fuzz.ratio(given, expected) / 100,
            "code-similarity": fuzz.ratio(code_plain(given), code_plain(expected)) / 100,
            "token-f1": f1,
            "exact-normal": exact,
            "exact": float(stripped(given) == stripped(expected)),
            "choice": [first("[A-D]", given), first("[A-D]", given[:1])],
            "number": first(r"\d+\.?\d*", given),
        })
    corpora = {}
    for kind in sorted({p["kind"] for p in pairs}) + ["all"]:
        chosen = [p for p in pairs if kind in (p["kind"], "all")]
        for name, tokenizer in (("bleu", "13a"), ("bleu-zh", "zh")):
            score = sacrebleu.corpus_bleu([p["given"] for p in chosen], [[p["expected"] for p in chosen]],
                                          tokenize=tokenizer).score / 100
            corpora.setdefault(kind, {})[name] = score
    HERE.mkdir(exist_ok=True)
    row = lambda value: json.dumps(value, ensure_ascii=False)
    listed = lambda rows: "[\n" + ",\n".join(map(row, rows)) + "\n]\n"
    (HERE / "pairs.json").write_text(listed(pairs), encoding="utf-8")
    reference = ('{"versions": ' + row({"sacrebleu": sacrebleu.__version__}) + ',\n"corpora": ' + row(corpora) +
                 ',\n"stems": ' + row(make_stems()) + ',\n"values": ' + listed(values) + "}\n")
    (HERE / "reference.json").write_text(reference, encoding="utf-8")
    print(len(pairs), "pairs")
    if len(sys.argv) > 1:
        check_sari(sys.argv[1], pairs)
    if importlib.util.find_spec("torchmetrics"):
        check_squad(pairs)


if __name__ == "__main__":
    main()
