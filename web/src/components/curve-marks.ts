import type uPlot from 'uplot';
import { remPixels } from '../lib/css-color.ts';

export interface Mark {
  at: number;
  text: string;
}

const TOGETHER_PX = 24;

/** Draws a dashed line, with its number, where something happened. */
export function markEvents(marks: () => readonly Mark[], color: string): uPlot.Plugin {
  return {
    hooks: {
      draw(plot) {
        const { ctx, bbox } = plot;
        const ratio = devicePixelRatio;
        ctx.save();
        ctx.strokeStyle = color;
        ctx.fillStyle = color;
        ctx.lineWidth = ratio;
        ctx.setLineDash([3 * ratio, 3 * ratio]);
        ctx.font = `${0.7 * remPixels() * ratio}px system-ui, sans-serif`;
        ctx.textAlign = 'center';
        const groups: { x: number; first: number; last: number }[] = [];
        marks().forEach(({ at }, index) => {
          const x = plot.valToPos(at / 1000, 'x', true);
          if (x < bbox.left || x > bbox.left + bbox.width) return;
          const group = groups.at(-1);
          // What happened in the same moment shares a line.
          if (group && x - group.x < TOGETHER_PX * ratio) group.last = index + 1;
          else groups.push({ x, first: index + 1, last: index + 1 });
        });
        for (const { x, first, last } of groups) {
          ctx.globalAlpha = 0.55;
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          ctx.globalAlpha = 1;
          const label = first === last ? String(first) : `${first}–${last}`;
          const half = ctx.measureText(label).width / 2;
          ctx.fillText(
            label,
            Math.max(bbox.left + half, Math.min(x, bbox.left + bbox.width - half)),
            bbox.top - 4 * ratio,
          );
        }
        ctx.restore();
      },
    },
  };
}
