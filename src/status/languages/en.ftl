# English. Complete by definition: every other language has these keys with these variables.

language-name = English

### Around every page

skip = Skip to the content
nav = Pages
nav-series = Series
nav-destinations = Destinations and callers
nav-box = Box
nav-log = Log
languages = Language
clock-synchronised = synchronised
clock-unknown = not known to be synchronised
offline = No connection to the box since { $since }. What you see may be old.
footer = Results are made by software, are not verified by a physician and are not for diagnosis.
version = Hepar { $version }

### The light

light-ready = Ready
light-loading = Receiving; the model is being loaded
light-not-receiving = Not receiving: { $reason }
light-not-segmenting = Receiving, not segmenting: { $reason }
light-not-delivering = { $destination }: { $reason }, since { $since }; { $waiting ->
        [one] 1 result waits
       *[other] { $waiting } results wait
    }, none lost
advice-ready = Receiving, segmenting and sending. Nothing to do.
advice-loading = Series are received and kept; they are segmented as soon as the model has passed its check.
advice-not-receiving = Scanners keep their series and try again. Call the biomedical engineer: the box needs space on its disk.
advice-not-segmenting = Series are received and kept, none is lost. Call the biomedical engineer: the model or the accelerator needs service.
advice-not-delivering = Nothing is lost and results are sent by themselves once it answers. Ask the PACS team whether it is running and reachable.

### The first page

engine-line = { $engine } on { $device }
model-line = Model { $model } { $version }, not for diagnosis
no-model = No model loaded
recent = Recent series
column-time = Received
column-scanner = Scanner
column-series = Series
column-progress = Progress
column-result = Result
nothing-received = Nothing received yet. Send a CT series to this box, and it appears here.
anyone-may-send = Anyone on the network may send: no caller is configured.
series-untitled = Series without description
accession = Accession { $number }
state-receiving = Receiving
state-queued = Waiting for the engine
state-segmenting = Segmenting
state-delivering = Sending
state-delivered = Done
state-ignored = Ignored
state-refused = Refused
state-failed = Failed
step-received = Received { $n }
step-segmented = Segmented { $n }/{ $of }
step-not-sent = Not sent yet
step-sending = Sent { $n }/{ $of }
step-sent = Sent { $n }/{ $of }
step-kept = Kept here
row-result = Liver { $liver } ml, { $lesions ->
        [0] no lesion found
        [one] 1 lesion, { $tumour } ml
       *[other] { $lesions } lesions, { $tumour } ml
    }
row-after = { $seconds } s after the last slice
todo-refused = No result can be right for this series. If another reconstruction of the scan exists, send that one.
todo-resend = Send the series again from the scanner.
todo-service = Call the biomedical engineer. The series is kept and can be segmented again.
todo-send-again = Ask the PACS team about the answer above, then open the series and send its result again.
todo-undelivered = Nothing to do here: it is sent by itself once the destination answers.
todo-wait = It is tried again by itself.
set-apart = Kept, but not readable
set-apart-explained = These objects were received and are kept, but could not be read. Ask the scanner's service if they keep coming.
column-instance = Instance
column-why = Why
