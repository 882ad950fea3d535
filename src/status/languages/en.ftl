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
light-journal-unusable = Receiving, not segmenting or sending: the journal cannot be written
light-not-segmenting = Receiving, not segmenting: { $reason }
light-self-test-failed = The last self-test failed: results may be wrong
light-not-delivering = { $what }, since { $since }; { $waiting ->
        [one] 1 result waits
       *[other] { $waiting } results wait
    }, none lost
advice-ready = Receiving, segmenting and sending. Nothing to do.
advice-loading = Series are received and kept; they are segmented as soon as the model has passed its check.
advice-not-receiving = Scanners are asked to wait, keep their series and try again; nothing that still has to be sent is deleted. Call the biomedical engineer: the box needs space on its disk.
advice-cannot-write = Scanners are asked to wait, keep their series and try again; what was received is not touched. Call the biomedical engineer: the disk or its file system needs service.
advice-journal-unusable = Series are received and kept, none is lost; work goes on by itself once the journal can be written. Call the biomedical engineer: the disk needs service.
advice-not-segmenting = Series are received and kept, none is lost. Call the biomedical engineer: the model or the accelerator needs service.
advice-self-test-failed = A synthetic patient did not come out right. Do not rely on results until the biomedical engineer has looked; the test can be run again under "Box".
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
step-received-of = Received { $n }/{ $of }
step-received-announced = Received { $n }, { $of } announced
step-segmented = Segmented { $n }/{ $of }
step-not-sent = Not sent yet
step-sending = Sent { $n }/{ $of }
step-sent = Sent { $n }/{ $of }
step-committed = Sent { $n }/{ $of }, committed
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
todo-commitment = Call the PACS team: the archive has the result and does not answer for keeping it. Slices and result stay here until it does.
todo-commitment-wait = Nothing to do here: it is asked again by itself, and slices and result stay here until then.
todo-wait = It is tried again by itself.
set-apart = Kept, but not readable
set-apart-explained = These objects were received and are kept, but could not be read. Ask the scanner's service if they keep coming.
column-instance = Instance
column-why = Why

### What did not work, by kind; of the engine and the model within a sentence

trouble-of = { $name }: { $trouble }
trouble-not-segmentable = These are not axial CT slices
trouble-too-few-slices = Too few slices for a volume
trouble-mixed-slices = Slices of different sizes, spacings or frames of reference are mixed
trouble-rotated-slices = Slices are rotated against each other
trouble-coincident-slices = Several images lie at one position and nothing tells them apart
trouble-unreadable-slices = The images cannot be decoded
trouble-gates = A check refuses an answer
trouble-engine = the engine failed
trouble-golden-check = the engine fails the model's golden check
trouble-model = the model cannot be used
trouble-crashed = The program failed in this series
trouble-ended-the-process = This series ended the program more than once
trouble-file = A file of this box cannot be read or written
trouble-disk-full = The disk is full
trouble-journal = The journal cannot be written
trouble-encoding = The result cannot be written down as DICOM
trouble-not-delivered = The result was not delivered
trouble-unreachable = It cannot be reached
trouble-tls = No encrypted connection
trouble-stopping = This box is being stopped; it is sent after the next start
trouble-association-refused = It refused the association
trouble-class-not-taken = It does not take objects of this kind
trouble-error-status = It answered with an error
trouble-aborted = It aborted the association
trouble-timed-out = It did not answer in time
trouble-connection-broken = The connection broke
trouble-protocol-violated = It violated the protocol
trouble-not-sendable = The file that is to be sent cannot be read
trouble-sending-crashed = The program failed while it sent
trouble-not-configured = No such destination is configured any more
trouble-not-committed = The archive says that it does not keep what it stored
trouble-commitment-not-reported = The archive has not answered the request to commit

### What a person should know

notice-journal-rebuilt = The journal was damaged ({ $why }). It is kept as { $kept-as } and was rebuilt.
notice-journal-unusable = The journal is not usable ({ $why }). Work waits.
notice-instances-missing = { $n ->
        [one] 1 instance that was kept is not on the disk any more.
       *[other] { $n } instances that were kept are not on the disk any more.
    }
notice-model-choice-unreadable = The choice of model cannot be read ({ $why }).
notice-model-replaced = The model { $model } cannot be used ({ $why }); another one runs in its place.
notice-engine-replaced = The engine { $engine } cannot be used ({ $why }); tract runs in its place.
notice-audit-not-sent = The audit trail does not reach { $server }: { $why }. It is kept here.
notice-declined = { $destination } takes no { $class }: { $why }
notice-commitment-not-taken = { $destination } takes no requests to commit: { $why }. Its series are kept here until it does. Have the PACS team allow Storage Commitment for this box, or set storage-commitment to false for this destination.
notice-not-committed = { $destination } does not answer for { $n ->
        [one] 1 object
       *[other] { $n } objects
    } that it stored, though it was asked again and again; they are kept here. Ask the PACS team whether the archive keeps them, and whether it knows the AE title, host and port of this box to report to.
notice-certificate-expired = The certificate { $use } expired on { $day }: replace it and restart
notice-certificate-to-come = The certificate { $use } is not valid before { $day }: check the clock, or replace it
notice-certificate-ending = The certificate { $use } expires on { $day }, in { $days ->
        [one] 1 day
       *[other] { $days } days
    }: have a new one issued
notice-sends-in-pieces = { $caller } sends its series in pieces: results wait for the quiet period
notice-contradicts = { $caller } sent { $n ->
        [one] 1 instance that contradicts
       *[other] { $n } instances that contradict
    } earlier ones or themselves
certificate-of-page = of this page
certificate-of-listener = of the DICOM listener
certificate-of-destination = shown to destination { $name }
certificate-of-syslog = shown to the syslog server
not-receiving-disk-full = the disk is full ({ $free } MB free)
not-receiving-cannot-write = the disk cannot be written

### A series

series-of = Series from { $scanner }
result = Result
timeline = What happened
moment-first = First slice from { $scanner } at { $address }
moment-last = Last slice: { $n } instances received
moment-latest = Latest slice: { $n } instances so far
moment-complete = Complete; queued for the engine
moment-result = Result made
moment-delivered = { $object } stored by { $destination }
moment-commitment-due = { $object }: { $destination } could not be asked to commit
moment-commitment-asked = { $object }: { $destination } was asked to commit
moment-committed = { $object } committed by { $destination }
moment-commitment-refused = { $object }: { $destination } does not commit
moment-next-attempt = { $object }: next attempt to reach { $destination }
object-seg = Segmentation
object-report = Report
object-preview = Picture
column-object = Object
pictures = Pictures
slice-of = Slice { $slice } of { $slices }, from the feet on
slice-label = Slice
previous = Previous
next = Next
window-liver = Liver
window-soft = Soft tissue
window-lung = Lung
window-bone = Bone
windows = Window
contours = Orange: edge of the liver. Pink: edge of a lesion. For orientation, not for diagnosis.
lesions = Lesions
no-lesions = No lesion was found.
column-number = No.
column-volume = Volume
column-longest = Longest diameter in a slice
column-slices = Slices
column-centre = Centre (LPS)
gates = Checks
gates-explained = What is asked before an answer is given. A check that refuses stops the result; one that warns is part of it.
gates-not-asked = Not asked, because the model carries no limits for it:
column-check = Check
column-measured = Measured
column-usual = Usual
column-accepted = Accepted
outcome-pass = Passed
outcome-warn = Warns
outcome-refuse = Refuses
geometry = Geometry
geometry-spacing = Slices, rows and columns are this far apart
geometry-none = Nothing unusual about the stack of slices.
unreadable = { $n ->
        [one] 1 slice could not be decoded and is left out
       *[other] { $n } slices could not be decoded and are left out
    }
delivered-to = Destinations
column-destination = Destination
column-state = State
column-attempts = Attempts
column-last-error = Last answer
delivery-waiting = Waiting
delivery-delivered = Stored
delivery-failed = Given up
delivery-superseded = Replaced by a newer result
delivery-declined = Not taken there
commitment-due = not asked to commit yet
commitment-asked = asked to commit
commitment-committed = committed
commitment-refused = not committed
kept-here = There is no destination: the result is kept here.
about = About
about-uid = Series Instance UID
about-study = Study Instance UID
about-modality = Modality
about-made-by = Made by
purged = The slices and results were removed by retention; this record is what is left.
download-seg = Download SEG
download-result = Download result.json
contradicted = Came again with other content
contradicted-explained = The first content is used; the other is kept aside. Ask the scanner's service why one UID stands for different objects.
contradicted-times = { $n ->
        [one] once
       *[other] { $n } times
    }
set-apart-meanwhile = Set apart while this series arrived
set-apart-meanwhile-explained = These objects of the same scanner could not be read; slices that are missing may be among them.
cancel = Cancel
order-send-again = Send again
order-send-again-explained = The result is sent once more, under the same identifiers. A destination that has it keeps one copy.
order-segment-again = Segment again
order-segment-again-explained = The slices are segmented once more with the model that is installed now. The result is sent if it differs from what the destinations have.

### Checks, by code. $outcome is pass, warn or refuse

gate-header = { $outcome ->
        [pass] Acquired CT images with a rescale to Hounsfield units
       *[other] Images were compressed with loss: small lesions may be gone
    }
gate-numeric = { $outcome ->
        [pass] Every image could be decoded
       *[other] Images that could not be decoded and are left out: { $measured }
    }
gate-hu-air = { $outcome ->
        [pass] Air is where it should be
        [warn] There is no air in the field of view
       *[refuse] Air is not where Hounsfield units have it: wrong rescale intercept?
    }
gate-hu-fat = { $outcome ->
        [pass] Fat is there
       *[other] There is hardly any fat
    }
gate-hu-soft-tissue = { $outcome ->
        [pass] Soft tissue is where it should be
       *[other] There is no soft tissue where Hounsfield units have it
    }
gate-geometry-slices = { $measured } slices
gate-geometry-orientation = Slices lie { $measured } degrees off the axial plane
gate-geometry-step = Slices are { $measured } mm apart
gate-geometry-gaps = { $outcome ->
        [pass] No slice is missing
       *[other] Slices are missing or left out: volumes are a lower bound
    }
gate-geometry-even = { $outcome ->
        [pass] Slices are evenly spaced
       *[other] Slices are unevenly spaced
    }
gate-body-region = { $value ->
        [0] No part of the series shows the liver
       *[other] { $measured } mm of the series show the liver
    }
gate-liver-volume = { $measured } ml of liver
gate-liver-one-piece = { $percent } % of what looked like liver is in one piece
gate-liver-extent = The liver reaches over { $measured } mm
gate-liver-side = The liver lies { $measured } mm to the patient's right of the image centre
gate-liver-cut = { $outcome ->
        [pass] The liver was imaged whole
       *[other] The liver reaches the edge of what the model saw: its volume is a lower bound
    }
gate-contrast-phase = { $outcome ->
        [pass] The liver is enhanced: { $measured } HU
       *[other] The liver is not enhanced as in the portal venous phase ({ $measured } HU): tumours are harder to see
    }
gate-certainty = { $outcome ->
        [pass] The model is as certain as on the livers it was tested on
       *[other] The model is less certain of this liver than of those it was tested on
    }
gate-embedding-distance = { $outcome ->
        [pass] The images are like those the model was trained on
       *[other] The images are unlike those the model was trained on
    }
gate-organ-agreement = { $outcome ->
        [pass] The model finds the same liver when the images are moved a little
       *[other] The model finds another liver when the images are moved a little
    }
gate-lesion-share = Lesions are { $percent } % of the liver
gate-lesion-count = Lesions: { $measured }
gate-lesion-size = Lesions too small to be certain: { $measured }

### Destinations and callers

no-destination = No destination is configured: results are kept here and can be downloaded from the page of their series.
destination-works = It takes what is sent
destination-untried = Nothing was sent there yet
destination-failing = Failing since { $since }
destination-failing-advice = Results are kept and tried again by themselves. Ask the PACS team.
ae-title = AE title
address = Address
last-success = Last success
queue = Queue
objects-waiting = { $n ->
        [0] Nothing waits
        [one] 1 object waits
       *[other] { $n } objects wait
    }
callers = Callers
callers-in-pieces = These send series in pieces, as was learned, so their results wait for the quiet period: { $callers }
no-caller = Nobody has called since the start.
column-last-seen = Last seen
column-implementation = Implementation
column-negotiated = Negotiated
in-pieces = Sends series in pieces: results wait for the quiet period
associations = { $n ->
        [one] 1 association
       *[other] { $n } associations
    } since the start
contexts = { $accepted } of { $proposed } presentation contexts accepted
refused-callers = Refused callers
refused-times = { $n ->
        [one] once
       *[other] { $n } times
    } since the start
called-otherwise = It calls this box { $called }, but this box is { $ours }: correct the called AE title at the scanner.
snippet-explained = If this is a scanner of yours, add to the configuration:

### Coming and going

login = Log in
login-name = Name
login-password = Password
login-wrong = Name or password is wrong.
login-wait = Too many failed logins. Try again in { $seconds } s.
login-busy = Too many logins at once. Try again.
logout = Log out
account = Account
password-change = Change password
password-must-change = This password was given to you to be used once. Choose your own to go on.
password-current = Current password
password-new = New password
password-rule = At least 10 characters. A sentence is better than a riddle.
password-repeated = New password again
password-same = The new password is the old one.
password-differs = The two new passwords differ.
password-short = The new password is too short.
password-name = The password must not be the name.
password-unusable = This cannot be a password.
password-not-kept = The password could not be stored. The old one still holds.
patient = Patient { $name }, ID { $id }

### The box

destination-test = Test
destination-test-objects = with the result of a synthetic patient
box-self-test = Self-test
box-self-test-never = No self-test has run yet.
box-self-test-runs = The self-test is running.
box-self-test-outcome = { $outcome ->
        [passed] Passed
       *[other] Failed: call the biomedical engineer
    } ({ $at }, { $seconds } s)
box-self-test-begin = Test now
box-self-test-explained = A synthetic patient whose liver is known goes through the whole pipeline. Nothing is sent to a PACS, and series of patients come first.
box-heat = Heat and power
box-slowed = Slowed down because of heat or power
box-power-alarms = Current above the limit
box-throttle-events = Slowed down since switched on: { $cause }
box-power-mode = Power mode
box-fan = Fan
box-load = Load
box-cpu = Processor
box-cores = { $cores ->
        [one] 1 core
       *[other] { $cores } cores
    }
box-load-average = Load over 1, 5 and 15 minutes
box-gpu = Accelerator
box-memory-free = Memory free
box-memory-own = Memory of the service
box-disk = Disk
box-disk-free = Free
box-disk-lasts = Lasts at the present rate
box-disk-lasts-unknown = not filling
box-disk-hours = { $hours ->
        [one] 1 hour
       *[other] { $hours } hours
    }
box-network = Network
box-link-up = connected
box-link-down = not connected
box-traffic = received { $received }, sent { $sent }, { $errors ->
        [one] 1 error
       *[other] { $errors } errors
    }
box-system = System
box-model = Board
box-engine = Engine
box-bundle = Model
version-kernel = Kernel
version-system = Operating system
box-uptime = Switched on for
box-uptime-words = { $days ->
        [0] { $hours } h { $minutes } min
        [one] 1 day { $hours } h { $minutes } min
       *[other] { $days } days { $hours } h { $minutes } min
    }
box-clock = Clock
box-clock-not-synchronised = not synchronised
box-certificates = Certificates
box-certificate = { $name }, valid until { $day }
box-certificate-fingerprint = SHA-256 { $fingerprint }
box-support = Support bundle (no patient data)

### A destination tried out

trial-works = It answers.
trial-fails = It does not work yet.

### The log

log-level = Level
log-text = Text
log-show = Show
log-line = Line
column-moment = Time
log-nothing = No such line.

### Users

users = Users
users-role = Role
users-last-login = Last login
users-remarks = Remarks
users-no-login = not since the start
users-locked = locked out after failed logins, for { $minutes } min more
users-one-time = has not replaced the one-time password yet
users-not-asked = This page is for this box alone, so it asks nobody to log in.
users-explained = Users are added on the box itself. The password that the command prints is to be replaced at the first login; the change is in force at once.
users-roles = A viewer sees the pages. A technician also sends and segments again, tests, and downloads segmentations, which name their patient. An administrator also reads the log, takes support bundles and sees this page.
role-viewer = Viewer
role-technician = Technician
role-administrator = Administrator
