// A sheet of paper to write on, by mouse, pen or finger.

const [PAPER, INK, THICK] = ["#f4f2ec", "#20242c", 14]; // thick: in pixels of the sheet

export class Pad {
  strokes = [];

  /** `onChange` is called when a stroke is finished or taken back. */
  constructor(canvas, onChange) {
    Object.assign(this, { canvas, onChange, pen: canvas.getContext("2d") });
    canvas.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.stroke = [this.place(event)];
      this.strokes.push(this.stroke);
      this.draw();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.stroke || !event.isPrimary) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.stroke.push(this.place(each));
      this.draw();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => {
        if (!this.stroke) return;
        this.stroke = null;
        this.onChange();
      });
    }
    this.draw();
  }

  place({ clientX, clientY }) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const scale = Math.min(width / this.canvas.width, height / this.canvas.height); // the sheet is shown whole, in the middle
    return [(clientX - left - width / 2) / scale + this.canvas.width / 2, (clientY - top - height / 2) / scale + this.canvas.height / 2];
  }

  draw() {
    const { pen, canvas } = this;
    pen.fillStyle = PAPER;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(pen, { strokeStyle: INK, lineWidth: THICK, lineCap: "round", lineJoin: "round" });
    for (const stroke of this.strokes) {
      pen.beginPath();
      pen.moveTo(...stroke[0]);
      for (const point of stroke) pen.lineTo(...point); // the first again: a dot is a stroke too
      pen.stroke();
    }
  }

  takeBack(count) {
    this.strokes.splice(-count, count);
    this.draw();
    this.onChange();
  }
}
