"""The reference engine: a small analytic dose engine that reads and writes as the field's Monte Carlo engine does.

``python -m actors.demo.engine FILE`` obeys the ``moqui-smc`` contract (and, where the keys say so, the public ``moqui``
one) by the real engine's own reading rules, so that a wrong input file of ours gives a wrong dose here too. Its physics
is textbook: Bortfeld's Bragg curve and a Gaussian beam spread in water, parallel beams.

**It is no clinical engine.** Nothing that it computes says anything about a patient's dose.
"""
