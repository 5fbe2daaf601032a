for (const chart of document.querySelectorAll(".chart")) {
  const figure = JSON.parse(document.getElementById(chart.dataset.figure).textContent);
  Plotly.newPlot(chart, figure.data, figure.layout, { displayModeBar: false, responsive: true });
}
