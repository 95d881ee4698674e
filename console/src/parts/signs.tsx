// Small signs, drawn with the text's colour; they say nothing that words beside them do not.
import type { ComponentChildren } from "preact";

function Sign({ children }: { children: ComponentChildren }) {
  return (
    <svg class="sign" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const stroke = { fill: "none", stroke: "currentColor", "stroke-width": 1.6 } as const;

export const Gauge = () => (
  <Sign>
    <path {...stroke} d="M3 14a7 7 0 1 1 14 0M10 14l3.5-4" />
  </Sign>
);
export const Net = () => (
  <Sign>
    <circle {...stroke} cx="4" cy="10" r="2" />
    <circle {...stroke} cx="15.5" cy="4.5" r="2" />
    <circle {...stroke} cx="15.5" cy="15.5" r="2" />
    <path {...stroke} d="m5.8 9 8-3.7M5.8 11l8 3.7" />
  </Sign>
);
export const Blocks = () => (
  <Sign>
    <path {...stroke} d="M10 2.5 17 6v8l-7 3.5L3 14V6zM3 6l7 3.5L17 6M10 9.5v8" />
  </Sign>
);
export const Paper = () => (
  <Sign>
    <path {...stroke} d="M5 2.5h7l3.5 3.5v11.5H5zM12 2.5V6h3.5M7.5 10h5M7.5 13.5h5" />
  </Sign>
);
export const Falls = () => (
  <Sign>
    <path {...stroke} d="M2.5 4.5h8M6.5 10h8M10.5 15.5h7" stroke-width="2.6" />
  </Sign>
);
export const Lines = () => (
  <Sign>
    <path {...stroke} d="M3 4.5h14M3 8.2h10M3 11.8h14M3 15.5h7" />
  </Sign>
);
export const Lock = () => (
  <Sign>
    <path {...stroke} d="M6.5 9V6.5a3.5 3.5 0 0 1 7 0V9" />
    <rect x="4.5" y="9" width="11" height="7.5" rx="1.5" fill="currentColor" />
  </Sign>
);
export const Moon = () => (
  <Sign>
    <path {...stroke} d="M16 11.5A6.5 6.5 0 0 1 8.5 4 6.5 6.5 0 1 0 16 11.5z" />
  </Sign>
);
export const Sun = () => (
  <Sign>
    <circle {...stroke} cx="10" cy="10" r="3.5" />
    <path
      {...stroke}
      d="M10 1.5v2.5M10 16v2.5M1.5 10H4M16 10h2.5M4 4l1.7 1.7M14.3 14.3 16 16M16 4l-1.7 1.7M5.7 14.3 4 16"
    />
  </Sign>
);
export const Glass = () => (
  <Sign>
    <circle {...stroke} cx="8.5" cy="8.5" r="5" />
    <path {...stroke} d="m12.5 12.5 5 5" />
  </Sign>
);
export const Sail = () => (
  <svg class="sail" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <path d="M19 3 5 22h14z" />
    <path class="jib" d="M21.500 8v14H28z" />
    <path class="hull" d="M3 24h26l-4.500 5.500H8z" />
  </svg>
);
