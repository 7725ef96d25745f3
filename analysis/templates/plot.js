// Draws a figure as analysis/interactive.py describes it, in the colours of the page: --text, --quiet and --line.

const read = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function dressed(layout) {
  const axis = { gridcolor: read("--line"), zerolinecolor: read("--line"), linecolor: read("--line") };
  const narrow = window.innerWidth < 640;
  return {
    ...layout,
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
    font: { color: read("--text"), family: "system-ui, sans-serif", size: narrow ? 11 : 13 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 10, r: 10, t: 30, b: 10 },
    legend: { ...layout.legend, ...(narrow ? { orientation: "h", y: -0.25, maxheight: 0.3 } : {}) },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: read("--quiet"), activecolor: read("--text") },
    hoverlabel: { namelength: -1 },
    uirevision: "kept", // zoom and hidden arms stay as they are
    autosize: true,
  };
}

export const drawn = (place, figure, name) =>
  Plotly.react(place, figure.data, dressed(figure.layout), {
    displaylogo: false,
    showSendToCloud: false, // plotly.js would offer to upload the figure
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "toImage"],
    modeBarButtonsToAdd: ["svg", "png"].map((format) => ({
      name: `Save as ${format.toUpperCase()}`,
      icon: format === "svg" ? Plotly.Icons.disk : Plotly.Icons.camera,
      click: (shown) => Plotly.downloadImage(shown, { format, filename: name }),
    })),
  });
