"""One local page to record commands, train on them and try the model: `speechtune studio`.

Owns: the studio's folder, what the page asks for and is told, and the page itself (`page/`: HTML, CSS and modules of
JavaScript as the browser reads them). Does not own: any work on recordings or models. Every part of the page calls the
function of the library that the verb of the same name calls.
Imports: `numpy`, `pydantic`, `soundfile`, `starlette`, `torch`, `speechtune`, `speechtune.audio`, `speechtune.data`,
`speechtune.evaluation`, `speechtune.models`, `speechtune.record`, `speechtune.streaming`, `speechtune.training`.

torch is imported by the process that trains, and by the comparison of takes.
"""
