"""What every plug-in must keep: one class for each registry, which a test file of the plug-in's author inherits.

    from conformance.platforms import PlatformConformance

    class TestMyChip(PlatformConformance):
        def platform(self) -> Platform:
            return MyChip(name="my_chip")

`ModelConformance`, `PlatformConformance`, `CorpusConformance`, `SearcherConformance`, `ObjectiveConformance`: each says
what it wants to be given. The suite runs them over all that is registered.
"""
