(() => {
  const root = document.documentElement; root.classList.add('script');
  let even = true, now = null;
  const set = audio => { audio.volume = even ? Number(audio.dataset.gain) : 1; };
  const buttons = [...document.querySelectorAll('.play')];
  const halt = () => { if (now) { now.audio.pause(); now.audio.currentTime = 0;
    now.button.setAttribute('aria-pressed', 'false');
    now.button.style.setProperty('--done', 0); now = null; } };
  buttons.forEach(button => {
    const audio = button.parentElement.querySelector('audio');
    audio.removeAttribute('controls');
    button.addEventListener('click', () => {
      const same = now && now.audio === audio; halt(); if (same) return;
      set(audio); audio.play(); now = { audio, button }; button.setAttribute('aria-pressed', 'true');
    });
    audio.addEventListener('timeupdate', () => button.style.setProperty('--done',
    audio.currentTime / (audio.duration || 1)));
    audio.addEventListener('ended', halt);
  });
  document.querySelectorAll('.switch button').forEach(button => button.addEventListener('click', () => {
    even = button.dataset.even === '1'; if (now) set(now.audio);
    document.querySelectorAll('.switch button').forEach(other =>
      other.setAttribute('aria-pressed', String((other.dataset.even === '1') === even)));
  }));
})();
