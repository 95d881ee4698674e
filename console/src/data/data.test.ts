import { describe, expect, it } from "vitest";
import { bytes, rate, share, span, time } from "./words";

describe("numbers", () => {
  it("are short and keep their meaning", () => {
    expect([span(5), span(130), span(7300), span(200000), span(null)]).toEqual([
      "5 s",
      "2 min",
      "2 h",
      "2 d",
      "–",
    ]);
    expect([rate(0), rate(0.02), rate(3.14), rate(42.4), rate(1234)]).toEqual([
      "0/s",
      "<0.1/s",
      "3.1/s",
      "42/s",
      "1.2k/s",
    ]);
    expect([share(0), share(0.0004), share(0.034), share(0.5), share(Number.NaN)]).toEqual([
      "0 %",
      "<0.1 %",
      "3.4 %",
      "50 %",
      "0 %",
    ]);
    expect([time(0.4), time(7.25), time(45), time(1234), time(Number.NaN)]).toEqual([
      "0.40 ms",
      "7.3 ms",
      "45 ms",
      "1.23 s",
      "–",
    ]);
    expect([bytes(12), bytes(3400), bytes(1.2e6)]).toEqual(["12 B", "3.4 kB", "1.2 MB"]);
  });
});
