// Where a figure comes into view, what is on paper makes room for one that can be zoomed and asked.

const dark = matchMedia("(prefers-color-scheme: dark)");

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    const figure = JSON.parse(target.querySelector("script").textContent);
    const place = document.createElement("div");
    place.className = "plot";
    target.prepend(place);
    const draw = () => drawn(place, figure, target.id.replaceAll("/", "-"));
    target.classList.add("live"); // before it is drawn: it has a size then
    draw();
    dark.addEventListener("change", draw);
  }
}, { rootMargin: "300px" });

for (const figure of document.querySelectorAll("figure:has(> script)")) seen.observe(figure);
