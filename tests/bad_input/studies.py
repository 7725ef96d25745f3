"""Study files that are wrong, raise, or never end."""

from __future__ import annotations

from bad_input import Case

HEAD = """from ray import tune
from study import Claim, Study, above, equivalent, increasing
HELD_OUT = {"validation_size": 9}
"""


def case(id: str, content: str, said: str, **more) -> Case:
    return Case(id, "plan x.py", said, {"x.py": content}, **more)


def study(id: str, fields: str, said: str, **more) -> Case:
    return case(id, f"{HEAD}STUDY = Study({fields})\n", said, **more)


CASES = [
    case("empty", "", "has no STUDY"),
    case("only-comment", "# nothing", "has no STUDY"),
    case("only-blank", " \n\t\n", "has no STUDY"),
    case("syntax-error", "STUDY = (", "x.py:1: not valid Python"),
    case("indentation", "if True:\nSTUDY = 1", "x.py:2: not valid Python"),
    case("tabs-and-spaces", "if True:\n        a = 1\n\tb = 2", "not valid Python"),
    case("too-deep", "STUDY = " + "(" * 300 + ")" * 300, "not valid Python"),
    case("deep-recursion", "def f(): f()\nf()", "RecursionError"),
    case("deep-expression", "STUDY = " + "-" * 100_000 + "1", "x.py"),
    case("int-too-long", f"STUDY = int('{'9' * 5000}')", "ValueError"),
    case("undefined-name", "\n\nundefined", "x.py:3: the study file raised NameError: name 'undefined'"),
    case("raises", "raise RuntimeError('no')", "x.py:1: the study file raised RuntimeError: no"),
    case("raises-lines", "raise RuntimeError('one\\ntwo\\nthree')", "RuntimeError: one"),
    case("raises-nothing-said", "raise RuntimeError", "raised RuntimeError"),
    case(
        "raises-unprintable",
        "class E(Exception):\n  def __str__(self): raise ValueError\nraise E",
        "raised E",
    ),
    case("assertion", "assert 1 == 2", "raised AssertionError"),
    case(
        "zero-division",
        "def f():\n  return 1/0\nSTUDY = f()",
        "x.py:2: the study file raised ZeroDivisionError",
    ),
    case("import-absent", "import absent_module", "ModuleNotFoundError"),
    case("import-name", "from study import Studdy", "ImportError"),
    case("sys-exit", "import sys\nsys.exit(3)", "x.py:2: the study file raised SystemExit: 3"),
    case("sys-exit-0", "import sys\nsys.exit()", "raised SystemExit"),
    case("sys-exit-text", "raise SystemExit('bye')", "SystemExit: bye"),
    case("generator-exit", "raise GeneratorExit", "raised GeneratorExit"),
    case("base-exception", "class Own(BaseException): pass\nraise Own('mine')", "raised Own: mine"),
    case("exception-group", "raise BaseExceptionGroup('several', [KeyboardInterrupt()])", "several"),
    case("memory-error", "raise MemoryError", "raised MemoryError"),
    case("too-much-memory", "x = bytearray(2**62)", "MemoryError"),
    case("endless", "while True: pass", "x.py", environment={"STUDY_LOAD_SECONDS": "1"}),
    case(
        "endless-guarded",
        "try:\n  while True: pass\nexcept Exception: pass",
        "x.py:2: the study file does not end",
        environment={"STUDY_LOAD_SECONDS": "1"},
    ),
    case("sleeps", "import time\ntime.sleep(600)", "x.py:2", environment={"STUDY_LOAD_SECONDS": "1"}),
    case("waits-for-input", "input('?')", "x.py:1"),
    case("prints", "print('hello')", "has no STUDY", lines=3),
    case("stderr-warning", "import warnings\nwarnings.warn('watch out')", "has no STUDY", lines=4),
    case("changes-folder", "import os\nos.chdir('/')", "has no STUDY"),
    case("int", "STUDY = 3", "has a STUDY that is a int"),
    case("list", "from study import Study\nSTUDY = [Study(title='a', arms={'a': {}})]", "that is a list"),
    case("none", "STUDY = None", "has no STUDY"),
    case("class", "from study import Study\nSTUDY = Study", "STUDY"),
    case("own-class", "class Study: name = 'x'\nSTUDY = Study()", "has a STUDY that is a Study"),
    case(
        "strange-getattr",
        "class A:\n  def __getattr__(self, n): raise KeyboardInterrupt\nSTUDY = A()",
        "STUDY",
    ),
    case("lower-case", "from study import Study\nstudy = Study(title='a', arms={'a': {}})", "has no STUDY"),
    case(
        "doc-is-number",
        "__doc__ = 3\nfrom study import Study\nSTUDY = Study(title='a', arms={'a': {'lr': -1}})",
        "lr",
    ),
    study("positional", "'title'", "raised TypeError"),
    study("no-fields", "", "title: is required"),
    study("unknown-field", "title='a', arms={'a': {}}, sientific={}", "did you mean 'scientific'?"),
    study("title-number", "title=3, arms={'a': {}}", "title = 3"),
    study("title-none", "title=None, arms={'a': {}}", "title = None"),
    study("figure-text", "title='a', figure='ten', arms={'a': {}}", "figure = 'ten'"),
    study("neither", "title='a'", "give either scientific={...} or arms={...}"),
    study("both", "title='a', scientific={'width': tune.grid_search([1])}, arms={'a': {}}", "give either"),
    study("arms-list", "title='a', arms=['a', 'b']", "arms = ['a', 'b']"),
    study("arms-none", "title='a', arms=None", "arms = None"),
    study("arm-number", "title='a', arms={'a': 3}", "arms.a = 3"),
    study("arm-key-number", "title='a', arms={'a': {3: 4}}", "3"),
    study("arm-twice", "title='a', arms={1: {}, '1': {'lr': 1.0}}", "arm '1' occurs twice"),
    study("arm-same", "title='a', arms={'a': {}, 'b': {}}", "arm 'b' trains the same as arm 'a'"),
    study("arm-unknown-field", "title='a', arms={'a': {'widht': 3}}", "did you mean 'width'?"),
    study("arm-out-of-range", "title='a', arms={'a': {'lr': -1.0}}", "arm 'a': lr = -1"),
    study("arm-seed", "title='a', arms={'a': {'seed': 3}}", "seed is chosen at the start"),
    study("arm-nested", "title='a', arms={'a': {'width': [1, 2]}}", "width = [1, 2]"),
    study("arm-lambda", "title='a', arms={'a': {'width': lambda: 3}}", "width = <function"),
    study("arm-grid", "title='a', arms={'a': {'width': tune.grid_search([1, 2])}}", "width = {'grid_search'"),
    study("scientific-list", "title='a', scientific={'width': [1, 2]}", "use tune.grid_search"),
    study("scientific-value", "title='a', scientific={'width': 3}", "use tune.grid_search"),
    study("scientific-not-dict", "title='a', scientific=3", "scientific = 3"),
    study(
        "scientific-unknown",
        "title='a', scientific={'widht': tune.grid_search([1])}",
        "did you mean 'width'?",
    ),
    study("grid-empty", "title='a', scientific={'width': tune.grid_search([])}", "the grid is empty"),
    study("grid-text", "title='a', scientific={'width': {'grid_search': 'abc'}}", "use tune.grid_search"),
    study(
        "grid-extra-key",
        "title='a', scientific={'width': {'grid_search': [1], 'more': 2}}",
        "use tune.grid_search",
    ),
    study(
        "grid-wrong-type", "title='a', scientific={'width': tune.grid_search([1, 'two'])}", "width = 'two'"
    ),
    study("grid-unhashable", "title='a', scientific={'width': tune.grid_search([[1], {}])}", "width = [1]"),
    study("grid-nan", "title='a', scientific={'lr': tune.grid_search([float('nan')])}", "lr = nan"),
    study("grid-twice", "title='a', scientific={'width': tune.grid_search([3, 3])}", "occurs twice"),
    study("grid-1-and-1.0", "title='a', scientific={'lr': tune.grid_search([1, 1.0])}", "trains the same"),
    study(
        "grid-huge",
        "title='a', scientific={'width': tune.grid_search(list(range(1, 1001))),"
        " 'epochs': tune.grid_search(list(range(1, 1001))), 'fc_width': tune.grid_search([1, 2])}",
        "2,000,000 arms; at most 1,000,000",
    ),
    study(
        "samples-huge",
        "title='a', scientific={'lr': tune.loguniform(1e-3, 1)}, samples=10**9",
        "arms; at most",
    ),
    study("samples-zero", "title='a', scientific={'lr': tune.loguniform(1e-3, 1)}, samples=0", "samples = 0"),
    study(
        "samples-missing",
        "title='a', scientific={'lr': tune.loguniform(1e-3, 1)}",
        "samples goes with domains",
    ),
    study(
        "samples-with-grid",
        "title='a', scientific={'width': tune.grid_search([1])}, samples=3",
        "samples goes with",
    ),
    study("domain-out-of-range", "title='a', scientific={'lr': tune.uniform(-3, -1)}, samples=1", "lr = -"),
    study(
        "domain-backwards", "title='a', scientific={'lr': tune.uniform(1, 0)}, samples=2", "lr can't be drawn"
    ),
    study(
        "domain-raises",
        "title='a', scientific={'lr': tune.sample_from(lambda s: 1/0)}, samples=2",
        "tune.sample_from may draw other values each time",
    ),
    study(
        "fixed-unknown",
        "title='a', arms={'a': {}, 'b': {'lr': 1.0}}, fixed={'widht': 3}",
        "did you mean 'width'?",
        lines=1,
    ),
    study(
        "fixed-wrong",
        "title='a', arms={'a': {}, 'b': {'lr': 1.0}}, fixed={'width': 'x'}",
        "fixed: width = 'x'",
        lines=1,
    ),
    study(
        "fixed-and-varied",
        "title='a', scientific={'width': tune.grid_search([1])}, fixed={'width': 3}",
        "what scientific varies",
    ),
    study("fixed-dataset", "title='a', arms={'a': {}}, fixed={'dataset': 'minst'}", "did you mean 'mnist'?"),
    study("fixed-key-number", "title='a', arms={'a': {}}, fixed={3: 3}", "3"),
    study("fixed-regex-key", "title='a', arms={'a': {}}, fixed={'(': 3}", "unknown hyperparameter '('"),
    study(
        "nuisance-no-validation",
        "title='a', arms={'a': {}}, nuisance={'lr': tune.uniform(0.1, 1)}, nuisance_samples=2",
        "needs a validation_size",
    ),
    study(
        "nuisance-alone",
        "title='a', arms={'a': {}}, nuisance={'lr': tune.uniform(0.1, 1)}, fixed=HELD_OUT",
        "go together",
    ),
    study(
        "nuisance-value",
        "title='a', arms={'a': {}}, nuisance={'lr': 3}, nuisance_samples=2, fixed=HELD_OUT",
        "use a domain",
    ),
    study(
        "nuisance-normal",
        "title='a', arms={'a': {}}, nuisance={'lr': tune.randn()}, nuisance_samples=2, fixed=HELD_OUT",
        "use tune.uniform",
    ),
    study(
        "nuisance-too-many",
        "title='a', arms={'a': {}}, nuisance={'lr': tune.randn()}, nuisance_samples=9999",
        "nuisance_samples = 9999",
    ),
    study("published-absent-arm", "title='a', arms={'a': {}}, published={'b': 90}", "published: no arm 'b'"),
    study(
        "published-above-100", "title='a', arms={'a': {}}, published={'a': 101}", "101.0 is not a percentage"
    ),
    study("published-nan", "title='a', arms={'a': {}}, published={'a': float('nan')}", "is not a percentage"),
    study(
        "published-metric",
        "title='a', arms={'a': {}}, published={'a': {'acuracy': 3}}",
        "unknown metric 'acuracy'",
    ),
    study("published-text", "title='a', arms={'a': {}}, published={'a': 'good'}", "published.a"),
    study("published-list", "title='a', arms={'a': {}}, published=[90]", "published = [90]"),
    study("reference-absent", "title='a', arms={'a': {}}, reference='b'", "reference: no arm 'b'"),
    study("claims-text", "title='a', arms={'a': {}}, claims='more'", "claims = 'more'"),
    study("claim-kind", "title='a', arms={'a': {}}, claims=[Claim(kind='growing', sentence='x')]", "growing"),
    study(
        "claim-metric",
        "title='a', arms={'a': {}, 'b': {'lr': 1.0}}, claims=[increasing('acc', 'x')]",
        "unknown metric 'acc'; allowed are test_accuracy",
    ),
    study(
        "claim-arm", "title='a', arms={'a': {}}, claims=[above('test_accuracy', 'x', 'b')]", "names no arm"
    ),
    study(
        "claim-no-margin",
        "title='a', arms={'a': {}, 'b': {'lr': 1.0}}, claims=[equivalent('test_accuracy', 'x', margin=0)]",
        "margin = 0",
    ),
    study(
        "claim-any-test-set",
        "title='a', arms={'a': {}, 'b': {'lr': 1.0}}, claims=[above('train_loss', 'x', 'a', 'b', any_test_set=True)]",
        "any_test_set: train_loss is no share of cases that are known one by one",
    ),
    study(
        "claim-minus",
        "title='a', arms={'a': {}, 'b': {'lr': 1.0}}, claims=[above('train_loss', 'x', 'a', 'b', minus='test_los')]",
        "minus: unknown metric 'test_los'; did you mean 'test_loss'?",
    ),
    study(
        "claim-first-of-cases",
        "title='a', arms={'a': {}}, claims=[above('train_loss', 'x', 'a', 'b', first=3, any_test_set=True)]",
        "any_test_set goes with kinds that compare the values of one metric",
    ),
    study(
        "claim-runs",
        "title='a', arms={'a': {}}, claims=[Claim(kind='above', metric='a', sentence='x', runs='every')]",
        "runs goes with the kinds",
    ),
    study(
        "claim-each-step",
        "title='a', arms={'a': {}}, claims=[Claim(kind='drops', metric='a', sentence='x', level=1, each_step=True)]",
        "each_step goes with the kinds",
    ),
    study("planned-seeds", "title='a', arms={'a': {}}, seeds=0", "seeds"),
    study(
        "claim-of-one",
        "title='a', arms={'a': {}}, claims=[increasing('test_accuracy', 'x')]",
        "there is only 'a'",
    ),
    study(
        "many-mistakes",
        "title='a', arms={str(i): {'lr': -1.0 - i} for i in range(5000)}",
        "... and 4,980 more mistakes",
        lines=21,
    ),
]
