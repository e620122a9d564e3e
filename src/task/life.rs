//! Which states does a task have, and how may it move between them? (semantics 7)

use serde::{Serialize, Serializer};

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    Draft,
    PendingApproval,
    Rejected,
    Approved,
    Running,
    Paused,
    Ended,
    Cancelled,
    Failed,
}

/// What a person or the clock does to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Move {
    /// A new version; a rejected task becomes a draft again, the others stay what they are.
    Edit,
    Submit,
    Approve,
    Reject,
    /// By hand before the start, by the clock at the start, or again after a failure.
    Start,
    Pause,
    Resume,
    /// Before the first batch is handed over; `dispatch` watches that.
    Cancel,
    /// The rest is not sent.
    Stop,
    Fail,
    End,
    /// Out of the lists; the audit trail stays.
    Delete,
}

impl State {
    /// All states, in the order of a task's life.
    pub const ALL: [State; 9] = [
        State::Draft,
        State::PendingApproval,
        State::Rejected,
        State::Approved,
        State::Running,
        State::Paused,
        State::Ended,
        State::Cancelled,
        State::Failed,
    ];

    /// The word in JSON and in `meta.db`.
    pub fn word(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::PendingApproval => "pending_approval",
            State::Rejected => "rejected",
            State::Approved => "approved",
            State::Running => "running",
            State::Paused => "paused",
            State::Ended => "ended",
            State::Cancelled => "cancelled",
            State::Failed => "failed",
        }
    }

    /// The word on the page.
    pub fn chinese(self) -> &'static str {
        match self {
            State::Draft => "草稿",
            State::PendingApproval => "待审批",
            State::Rejected => "审批驳回",
            State::Approved => "待开始",
            State::Running => "进行中",
            State::Paused => "已暂停",
            State::Ended => "已结束",
            State::Cancelled => "已取消",
            State::Failed => "异常",
        }
    }

    /// The state with this word.
    pub fn of(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word() == word)
    }

    /// The whole table: the moves from here, and where each leads.
    pub fn moves(self) -> &'static [(Move, State)] {
        match self {
            State::Draft => &[
                (Move::Edit, State::Draft),
                (Move::Submit, State::PendingApproval),
                (Move::Cancel, State::Cancelled),
                (Move::Delete, State::Draft),
            ],
            State::PendingApproval => &[
                (Move::Approve, State::Approved),
                (Move::Reject, State::Rejected),
                (Move::Cancel, State::Cancelled),
                (Move::Delete, State::PendingApproval),
            ],
            State::Rejected => &[
                (Move::Edit, State::Draft),
                (Move::Submit, State::PendingApproval),
                (Move::Cancel, State::Cancelled),
                (Move::Delete, State::Rejected),
            ],
            State::Approved => &[
                (Move::Start, State::Running),
                (Move::Edit, State::Approved),
                (Move::Cancel, State::Cancelled),
                (Move::Fail, State::Failed),
                (Move::End, State::Ended),
            ],
            State::Running => &[
                (Move::Pause, State::Paused),
                (Move::Edit, State::Running),
                (Move::Cancel, State::Cancelled),
                (Move::Stop, State::Ended),
                (Move::Fail, State::Failed),
                (Move::End, State::Ended),
            ],
            State::Paused => &[
                (Move::Resume, State::Running),
                (Move::Edit, State::Paused),
                (Move::Cancel, State::Cancelled),
                (Move::Stop, State::Ended),
                (Move::Fail, State::Failed),
                (Move::End, State::Ended),
            ],
            State::Failed => &[
                (Move::Start, State::Running),
                (Move::Edit, State::Failed),
                (Move::Cancel, State::Cancelled),
                (Move::Stop, State::Ended),
                (Move::End, State::Ended),
            ],
            State::Ended => &[(Move::Delete, State::Ended)],
            State::Cancelled => &[(Move::Delete, State::Cancelled)],
        }
    }

    /// Where a move leads from here, if it is allowed.
    pub fn after(self, step: Move) -> Option<State> {
        self.moves().iter().find(|(found, _)| *found == step).map(|(_, to)| *to)
    }
}

impl Move {
    /// All moves, in the order of a task's life.
    pub const ALL: [Move; 12] = [
        Move::Edit,
        Move::Submit,
        Move::Approve,
        Move::Reject,
        Move::Start,
        Move::Pause,
        Move::Resume,
        Move::Cancel,
        Move::Stop,
        Move::Fail,
        Move::End,
        Move::Delete,
    ];

    /// The word of the command.
    pub fn word(self) -> &'static str {
        match self {
            Move::Edit => "edit",
            Move::Submit => "submit",
            Move::Approve => "approve",
            Move::Reject => "reject",
            Move::Start => "start",
            Move::Pause => "pause",
            Move::Resume => "resume",
            Move::Cancel => "cancel",
            Move::Stop => "stop",
            Move::Fail => "fail",
            Move::End => "end",
            Move::Delete => "delete",
        }
    }

    /// Can a person do it? The others are the clock's and the engine's.
    pub fn is_a_command(self) -> bool {
        !matches!(self, Move::Fail | Move::End)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {}", self.chinese(), self.word())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
