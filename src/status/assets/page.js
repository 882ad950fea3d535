// Replaces the live part of the page whenever the appliance says that something changed.
// Without this script the page works too; it is then as fresh as its last load.
"use strict";
let loading = false, again = false;
async function refresh() {
  if (loading) { again = true; return; }
  loading = true;
  try {
    const text = await (await fetch(location.href)).text();
    const fresh = new DOMParser().parseFromString(text, "text/html");
    document.getElementById("live").replaceWith(fresh.getElementById("live"));
    document.title = fresh.title;
  } finally {
    loading = false;
    if (again) { again = false; refresh(); }
  }
}
new EventSource("/api/events").addEventListener("changed", refresh);
