// A browser that follows a link from another site leaves the strict cookie at home for that one navigation.
// Asked from here it is sent: whoever is signed in already goes on to the page.
fetch("/api/status").then((answer) => {
  if (answer.ok) location.replace("/");
}, () => {});
