//! Coded words of audit messages (PS3.16 CID 400 to 405, PS3.15 A.5.2).

/// A coded value as the schema's CodedValueType wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Coded {
    pub code: &'static str,
    pub scheme: &'static str,
    pub meaning: &'static str,
}

const fn dcm(code: &'static str, meaning: &'static str) -> Coded {
    Coded {
        code,
        scheme: "DCM",
        meaning,
    }
}

const fn rfc(code: &'static str, meaning: &'static str) -> Coded {
    Coded {
        code,
        scheme: "RFC-3881",
        meaning,
    }
}

// Events, CID 400.
pub(super) const APPLICATION_ACTIVITY: Coded = dcm("110100", "Application Activity");
pub(super) const BEGIN_TRANSFERRING: Coded = dcm("110102", "Begin Transferring DICOM Instances");
pub(super) const INSTANCES_ACCESSED: Coded = dcm("110103", "DICOM Instances Accessed");
pub(super) const INSTANCES_TRANSFERRED: Coded = dcm("110104", "DICOM Instances Transferred");
pub(super) const EXPORT: Coded = dcm("110106", "Export");
pub(super) const SECURITY_ALERT: Coded = dcm("110113", "Security Alert");
pub(super) const USER_AUTHENTICATION: Coded = dcm("110114", "User Authentication");

// Event types, CID 401 to 403.
pub(super) const APPLICATION_START: Coded = dcm("110120", "Application Start");
pub(super) const APPLICATION_STOP: Coded = dcm("110121", "Application Stop");
pub(super) const LOGIN: Coded = dcm("110122", "Login");
pub(super) const LOGOUT: Coded = dcm("110123", "Logout");
pub(super) const NODE_AUTHENTICATION: Coded = dcm("110126", "Node Authentication");
pub(super) const SECURITY_CONFIGURATION: Coded = dcm("110129", "Security Configuration");
pub(super) const RESTRICTED_FUNCTION: Coded = dcm("110132", "Use of Restricted Function");
pub(super) const RECORDING_STOPPED: Coded = dcm("110133", "Audit Recording Stopped");

// Roles, CID 402.
pub(super) const APPLICATION: Coded = dcm("110150", "Application");
pub(super) const LAUNCHER: Coded = dcm("110151", "Application Launcher");
pub(super) const DESTINATION: Coded = dcm("110152", "Destination Role ID");
pub(super) const SOURCE: Coded = dcm("110153", "Source Role ID");
pub(super) const DESTINATION_MEDIA: Coded = dcm("110154", "Destination Media");

// Media, CID 405.
pub(super) const URI: Coded = dcm("110037", "URI");

// What identifies an object, CID 404 and RFC 3881 5.5.4.
pub(super) const STUDY_INSTANCE_UID: Coded = dcm("110180", "Study Instance UID");
pub(super) const NODE_ID: Coded = dcm("110182", "Node ID");
pub(super) const PATIENT_NUMBER: Coded = rfc("2", "Patient Number");
