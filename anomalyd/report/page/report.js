"use strict";
// Sorts a table by the column whose head is pressed; without it the table reads in its own order.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = Array.from(body.rows);
      rows.sort((a, b) => compare(key(a, column), key(b, column)) * (down ? -1 : 1));
      body.append(...rows);
    });
  });
}

function key(row, column) {
  const cell = row.cells[column];
  const sort = cell.dataset.sort;
  return sort === undefined ? cell.textContent.trim() : sort === "" ? NaN : Number(sort);
}

function compare(a, b) {
  if (typeof a === "string") return a.localeCompare(b);
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : -1;
  return Number.isNaN(b) ? 1 : a - b;
}

// On a narrow screen a plot or map opens where the fault begins.
for (const plot of document.querySelectorAll("[data-onset]")) {
  plot.scrollLeft = Number(plot.dataset.onset) * plot.scrollWidth - plot.clientWidth / 2;
}

window.addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});
