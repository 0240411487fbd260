//! English.
//!
//! Written for people in a hurry and under stress: short, concrete, no jargon, no false promise.

use super::{Form, FormWay, Notices, Page, Place, Reasons, Said, States, Wait, Words};

/// English.
pub static ENGLISH: Words = Words {
    lang: "en",
    thousands: ",",
    states: States {
        joining: Said { heading: "Joining the line", text: "You get your place in a moment. Keep this page open." },
        waiting: Said {
            heading: "You are in line",
            text: "Keep this page open. You will be let in automatically when it's your turn.",
        },
        called: Said { heading: "It's your turn", text: "You are being let in. If nothing happens, press the button." },
        admitted: Said { heading: "You are in", text: "The site is opening. If nothing happens, press the button." },
        held: Said {
            heading: "The line is on hold",
            text: "Nobody is being let in right now. Your place is kept, and there is nothing you need to do.",
        },
        closed: Said {
            heading: "This line is closed",
            text: "Nobody is being let in and nobody can join. This page will tell you if that changes.",
        },
        full: Said {
            heading: "The line is full",
            text: "No new places are being given out right now. Keep this page open and it will keep trying for you.",
        },
    },
    reasons: Reasons {
        paused: "The site has paused the line. It moves again when the site resumes it.",
        seats_taken: "The site is full. The next person gets in when somebody leaves.",
        store_away: "The waiting room has a technical problem on our side. Your place is kept.",
        recovering: "The waiting room is recovering. First all places are restored.",
        closed: "The site has closed this line.",
        line_full: "No more people can join the line.",
        lapsed: "Your turn has passed. Load this page to be called again.",
        rate_used: "This minute's places are taken. It moves on within a minute.",
    },
    place: Place {
        next: "You are next",
        one_ahead: "person ahead of you",
        many_ahead: "people ahead of you",
        title: "{n} ahead of you",
    },
    wait: Wait {
        minute: "up to a minute",
        minutes_up_to: "up to {high} minutes",
        minutes: "about {high} minutes",
        minutes_between: "about {low} to {high} minutes",
        hours_up_to: "up to {high} hours",
        hours: "about {high} hours",
        hours_between: "about {low} to {high} hours",
        day: "more than a day",
        unknown: "not known yet",
    },
    form: Form {
        said: Said {
            heading: "This has not reached the site yet",
            text: "The site is busy, so what you sent was stopped before it got there.",
        },
        sent_by: "It was sent by {site}. If you have just paid or signed in there, do not do it again: only send this on. If you do not know {site}, do not send it.",
        sent_by_some_site: "It was sent by another site. If you have just paid or signed in there, do not do it again: only send this on. If you do not know it, do not send it.",
        held: FormWay {
            kept: "This page holds it for you. It is stored nowhere else.",
            waiting: "Keep this tab open. It will tell you when it's your turn: send it then.",
            called: "Send it now.",
            button: "Send it",
            no_script: "JavaScript is off, so this tab cannot tell you when it's your turn. Press the button now and then, or once you are in there in a second tab. Until then you come back here.",
        },
        before: FormWay {
            kept: "Your browser should still have what you typed, on the page before this one.",
            waiting: "Keep this tab open. It will tell you when you can go back and send it again.",
            called: "Go back now and send it again.",
            button: "Go back",
            no_script: "JavaScript is off, so this tab cannot tell you when it's your turn. Wait in a second tab. Once you are in, come back here, go back and send it again.",
        },
        line: "Open the line in a second tab",
    },
    page: Page {
        wait_label: "Estimated wait",
        progress_label: "Your way through the line",
        message_label: "Message from the site",
        number_label: "Your number",
        behind_label: "Behind you",
        updated_label: "Last updated",
        enter: "Enter now",
        offline: "The connection is not working right now. This page keeps trying, and your place is kept meanwhile.",
        cookies: "Your browser does not return this site's cookies. They hold your place, so without them you cannot get one. Allow cookies for this site, then reload this page.",
        no_script: "This page reloads by itself every {seconds} seconds. If it stays at joining, allow cookies for this site: they hold your place.",
        keep: "You can switch tabs or lock your phone for a while. Your place is kept.",
        leave: "Leave the line",
        leave_warning: "You will lose your place. If you come back, you start again at the end.",
        leave_confirm: "Give up my place",
    },
    notices: Notices {
        left: Said {
            heading: "You have left the line",
            text: "Your place has been given up. You can close this page.",
        },
        rejoin: "Join the line again",
        unknown_site: Said {
            heading: "This site is not served here",
            text: "No site is set up under this address. Check it for a typing mistake.",
        },
        bad_request: Said {
            heading: "This address cannot be opened",
            text: "The request was refused: {reason}. Check the address, or go to the site's start page.",
        },
    },
    problems: States {
        joining: Said {
            heading: "Joining the line",
            text: "The request was not carried out. Its sender has no number in line yet: ask for the status document with the cookies of this answer to get one.",
        },
        waiting: Said {
            heading: "Waiting in line",
            text: "The request was not carried out. Its sender waits in line: ask for the status document until the state is called, then send the request again.",
        },
        called: Said {
            heading: "Called, not yet inside",
            text: "The request was not carried out. Its sender may enter now: send the request again.",
        },
        admitted: Said {
            heading: "Inside",
            text: "The request was not carried out, but its sender is inside: send the request again.",
        },
        held: Said {
            heading: "The line is on hold",
            text: "The request was not carried out. Nobody is being let in for the moment; the sender's place is kept. Go on asking for the status document.",
        },
        closed: Said {
            heading: "The line is closed",
            text: "The request was not carried out. Nobody is being let in and nobody can join the line.",
        },
        full: Said {
            heading: "The line is full",
            text: "The request was not carried out. The line takes no more numbers for now: ask for the status document again later.",
        },
    },
};
