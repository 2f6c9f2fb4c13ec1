"""A configuration in a few characters."""

from dse.reports.labels import describe
from models.workload import Configuration, Setting


def test_labels_tell_a_configuration_at_a_glance():
    names = ("l0.input_f", "l0.input_g", "l0.recurrent_f", "l0.candidate", "output")
    configuration = Configuration(tuple((name, Setting(4, 8, 16)) for name in names))
    configuration = configuration.with_setting("l0.candidate", skip=True, delta=0).with_setting("output", delta=0)
    assert describe(configuration) == "l0.input W4A8d16 · l0.recurrent W4A8d16+skip · output W4A8"
