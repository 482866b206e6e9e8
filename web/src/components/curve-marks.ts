import type uPlot from 'uplot';

export interface Mark {
  at: number;
  text: string;
}

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
        ctx.font = `${11 * ratio}px system-ui, sans-serif`;
        ctx.textAlign = 'center';
        let lastLabel = Number.NEGATIVE_INFINITY;
        marks().forEach(({ at }, index) => {
          const x = plot.valToPos(at / 1000, 'x', true);
          if (x < bbox.left || x > bbox.left + bbox.width) return;
          ctx.globalAlpha = 0.55;
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          // Numbers that would lie on one another are left out; the list has them all.
          if (x - lastLabel < 14 * ratio) return;
          lastLabel = x;
          ctx.globalAlpha = 1;
          ctx.fillText(String(index + 1), x, bbox.top - 4 * ratio);
        });
        ctx.restore();
      },
    },
  };
}
