#!/usr/bin/env python3
"""Clicks through the page of `ilora serve` in headless Chromium, at two widths: asks, corrects, lets it learn, moves the slider
between slow and fast, goes back, and takes pictures.

  tests/serve/page.py PROGRAM MODEL [--pictures FOLDER]

Needs selenium (PyPI), chromium and chromium-driver. Not a part of ctest.
"""
import argparse
import pathlib
import subprocess
import tempfile
import time
import urllib.request

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

PORT = 8321


def browser(width):
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", f"--window-size={width},1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    # A window cannot be narrower than a frame allows: the page's own width is set.
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 600})
    return driver


def ask(driver, question):
    """By keyboard alone."""
    count = len(driver.find_elements(By.CSS_SELECTOR, "#messages .assistant"))
    driver.find_element(By.ID, "question").send_keys(question, Keys.ENTER)
    WebDriverWait(driver, 60).until(
        lambda d: len(d.find_elements(By.CSS_SELECTOR, "#messages .assistant")) > count
        and d.find_element(By.CSS_SELECTOR, "#ask button").is_enabled())
    return driver.find_elements(By.CSS_SELECTOR, "#messages .assistant")[-1]


def walk(width, run, pictures):
    driver = browser(width)
    try:
        driver.get(f"http://127.0.0.1:{PORT}/")
        WebDriverWait(driver, 20).until(lambda d: d.find_element(By.ID, "learning").is_displayed())
        question = f"What is the code word of the {'night' if width > 600 else 'day'} shift?"
        right = "The code word is " + ("lantern." if width > 600 else "sunflower.")
        answer = ask(driver, question)
        answer.find_element(By.CSS_SELECTOR, "button").click()
        text = answer.find_element(By.CSS_SELECTOR, "textarea")
        text.clear()
        text.send_keys(right)
        answer.find_element(By.CSS_SELECTOR, "form button").click()
        WebDriverWait(driver, 20).until(lambda d: d.find_element(By.ID, "learn").is_enabled())
        before = len(driver.find_elements(By.CSS_SELECTOR, "#journal .deployed"))
        driver.find_element(By.ID, "learn").click()
        WebDriverWait(driver, 120).until(lambda d: d.find_element(By.ID, "bar").is_displayed())
        driver.save_screenshot(str(pictures / f"learning-{width}.png"))
        WebDriverWait(driver, 240).until(
            lambda d: len(d.find_elements(By.CSS_SELECTOR, "#journal .deployed")) > before)
        driver.find_element(By.ID, "new").click()
        told = ask(driver, question).find_element(By.CSS_SELECTOR, ".content").text
        assert told == right, f"it was taught {right!r} and says {told!r}"
        driver.find_element(By.CSS_SELECTOR, "#model option[value='between']").click()
        share = driver.find_element(By.ID, "share")
        for _ in range(5):
            share.send_keys(Keys.ARROW_RIGHT)
        shown = ask(driver, question).find_element(By.CSS_SELECTOR, ".from").text
        assert shown.endswith("slow~fast@0.25"), shown
        driver.save_screenshot(str(pictures / f"learned-{width}.png"))
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"the page is {wide} wide in {width}"
        back = driver.find_elements(By.CSS_SELECTOR, "#journal button")
        if back:
            back[-1].click()
            WebDriverWait(driver, 20).until(
                lambda d: d.find_elements(By.CSS_SELECTOR, "#journal .rolled_back"))
            driver.save_screenshot(str(pictures / f"back-{width}.png"))
        spoken = [line for line in driver.get_log("browser") if line["level"] == "SEVERE"]
        assert not spoken, spoken
        print(f"{width}: asked, corrected, learned, {'gone back, ' if back else ''}no error, pictures taken")
    finally:
        driver.quit()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("model")
    arguments.add_argument("--pictures", type=pathlib.Path, default=pathlib.Path("."))
    a = arguments.parse_args()
    a.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "mine"
        server = subprocess.Popen([a.program, "serve", a.model, "--run", str(run), "--listen", str(PORT),
                                   "--learn-idle", "0", "--general-budget", "1"])
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health")
                    break
                except OSError:
                    time.sleep(0.1)
            for width in (1400, 390):
                walk(width, run, a.pictures)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
